//! Signs of life (RFC 4028) and acknowledged provisional responses (RFC 3262) between two endpoints in any weather.

use countersign::sip::{EndCause, Event};

use super::sip_world::{Side, Weather, World};
use super::{ANSWER, plot, udp, wind_up};

#[test]
fn a_long_call_is_refreshed_every_quarter_of_an_hour_in_foul_weather_and_ends_when_nobody_is_there() {
    let foul = Weather { loss_percent: 40, double_percent: 30, longest_delay_ms: 900, ..udp() };
    let mut lived = 0;
    for seed in 1..6 {
        let mut world = World::new(Weather { seed, ..foul });
        let caller = world.call(Side::Left);
        world.run(31_000);
        let Some(&callee) = world.sessions(Side::Right).first() else { continue };
        world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
        world.run(31_000);
        if world.story(Side::Left, caller).ended + world.story(Side::Right, callee).ended > 0 {
            continue;
        }
        world.run(4 * 3600 * 1000);
        assert_eq!(world.story(Side::Left, caller).ended, 0, "{seed}");
        assert_eq!(world.story(Side::Right, callee).ended, 0, "{seed}");
        let refreshes =
            world.times(Side::Right, "SIP/2.0 200").len() + world.times(Side::Left, "SIP/2.0 200").len();
        assert!(refreshes >= 15, "{refreshes}");
        let from = world.ms();
        world.lose = Box::new(|_, _| true);
        world.run(3600 * 1000);
        for (side, id) in [(Side::Left, caller), (Side::Right, callee)] {
            let last = world.story(side, id).events.last().expect("an end");
            assert!(
                matches!(last.1, Event::Ended { cause: EndCause::Expired, .. }),
                "{side:?}: {:?}",
                last.1
            );
            assert!(last.0 <= from + 1_800_000, "within half an hour");
        }
        lived += 1;
        wind_up(&mut world);
    }
    assert!(lived >= 3, "{lived} of five calls came about");
}

#[test]
fn early_media_is_acknowledged_through_losses_and_the_200_follows() {
    for seed in 1..20 {
        let mut world = World::new(Weather { loss_percent: 30, longest_delay_ms: 400, seed, ..udp() });
        let caller = world.call(Side::Left);
        world.run(31_000);
        let Some(&callee) = world.sessions(Side::Right).first() else { continue };
        world.act(Side::Right, |endpoint, now| endpoint.ring(now, callee, Some(ANSWER)));
        world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
        world.run(60_000);
        let plot = plot(world.story(Side::Left, caller));
        assert!(
            plot == ["progress 183", "answered"]
                || plot == ["answered"]
                || plot.last().is_some_and(|last| last.starts_with("ended")),
            "{seed}: {plot:?}"
        );
        if plot.len() == 2 && plot[1] == "answered" {
            let Some((_, Event::Answered { sdp, .. })) = world.story(Side::Left, caller).events.last() else {
                panic!("answered")
            };
            assert_eq!(sdp.as_ref(), Some(&ANSWER), "what the provisional response said counts");
        }
        wind_up(&mut world);
    }
}
