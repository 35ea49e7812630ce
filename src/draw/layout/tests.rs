use proptest::prelude::*;

use super::{Arranged, Line, Rect, Size, arrange};

fn boxes(count: usize) -> Vec<Size> {
    (0..count).map(|at| Size { width: 60.0 + 10.0 * super::length(at % 5), height: 30.0 }).collect()
}

fn line(from: usize, to: usize) -> Line {
    Line { from, to, label: Size { width: 40.0, height: 16.0 } }
}

/// Everything that must not lie on something else.
fn solid(drawn: &Arranged) -> Vec<Rect> {
    drawn.boxes.iter().copied().chain(drawn.routes.iter().filter_map(|route| route.label)).collect()
}

fn assert_tidy(drawn: &Arranged) {
    let solid = solid(drawn);
    for (at, one) in solid.iter().enumerate() {
        assert!(one.x >= -0.01 && one.y >= -0.01, "{one:?}");
        assert!(one.x + one.size.width <= drawn.size.width + 0.01, "{one:?}");
        assert!(one.y + one.size.height <= drawn.size.height + 0.01, "{one:?}");
        for other in solid.iter().skip(at + 1) {
            assert!(!one.overlaps(other), "{one:?} {other:?}");
        }
    }
}

#[test]
fn lines_point_down_but_for_those_that_close_a_circle() {
    let lines = [line(0, 1), line(1, 2), line(2, 0), line(0, 2), line(1, 1)];
    let drawn = arrange(&boxes(3), &lines);
    assert_tidy(&drawn);
    assert_eq!(
        drawn.routes.iter().map(|route| route.back).collect::<Vec<_>>(),
        [false, false, true, false, false]
    );
    let ys: Vec<f64> = drawn.boxes.iter().map(|rect| rect.y).collect();
    assert!(ys[0] < ys[1] && ys[1] < ys[2]);
    assert!(drawn.routes[4].points.is_empty());
    for route in &drawn.routes[..2] {
        assert!(route.points.windows(2).all(|pair| pair[0].y <= pair[1].y));
    }
}

#[test]
fn two_chains_side_by_side_do_not_cross() {
    // 0 leads to 1 and 2; 1 to 4 and 2 to 3, which are listed the other way round.
    let drawn = arrange(&boxes(5), &[line(0, 1), line(0, 2), line(1, 4), line(2, 3)]);
    assert_tidy(&drawn);
    let x = |at: usize| drawn.boxes[at].x;
    assert_eq!(x(1) < x(2), x(4) < x(3));
}

#[test]
fn nothing_is_a_drawing_too() {
    let drawn = arrange(&[], &[]);
    assert!(drawn.boxes.is_empty() && drawn.size.width < 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_the_flow_nothing_lies_on_anything(
        count in 1..14_usize,
        ends in prop::collection::vec((0..14_usize, 0..14_usize, any::<bool>()), 0..30),
    ) {
        let lines: Vec<Line> = ends
            .into_iter()
            .filter(|(from, to, _)| from.max(to) < &count)
            .map(|(from, to, labelled)| {
                let label = if labelled { line(from, to).label } else { Size::default() };
                Line { from, to, label }
            })
            .collect();
        let drawn = arrange(&boxes(count), &lines);
        assert_tidy(&drawn);
        for (route, line) in drawn.routes.iter().zip(&lines) {
            prop_assert_eq!(route.points.is_empty(), line.from == line.to);
            prop_assert!(route.points.iter().all(|point| point.x.is_finite() && point.y.is_finite()));
            prop_assert!(line.from == line.to || route.label.is_some() == (line.label.width > 0.0));
        }
    }
}
