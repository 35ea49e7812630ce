use super::search::Beam;
use super::*;
use crate::secret::Secret;
use crate::voice::model::{Identity, Kind, Part};

/// A network of one head and one layer in each half, whose weights are anything.
fn model() -> ModelFile {
    let identity = Identity { name: "tiny".into(), version: "1".into(), package: String::new() };
    let mut model = ModelFile::new(identity);
    let words = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    let mut vocabulary: Vec<String> = ('!'..='~').map(String::from).chain(["Ġ".to_owned()]).collect();
    for (digit, word) in words.iter().enumerate() {
        vocabulary.extend([format!("Ġ{digit}"), format!("Ġ{word}"), format!("Ġ{}", word.to_lowercase())]);
    }
    vocabulary.extend(["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"].map(str::to_owned));
    let tokens = vocabulary.len();
    model.put("vocabulary", Part::text(&vocabulary.join("\n")));
    let mut state = 1_u32;
    let mut put = |name: &str, shape: &[usize], size: f32| {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (f32::from(u16::try_from(state >> 16).expect("16 bits")) / 65_536.0 - 0.5) * size
            })
            .collect();
        model.put(name, Part::floats(shape.to_vec(), &values));
    };
    put("encoder/conv1/weight", &[64, 80, 3], 0.2);
    put("encoder/conv2/weight", &[64, 64, 3], 0.2);
    put("encoder/position_encodings/encodings", &[1_500, 64], 0.2);
    put("decoder/position_encodings/encodings", &[24, 64], 0.5);
    put("decoder/embeddings/weight", &[tokens, 64], 0.6);
    for bias in ["encoder/conv1/bias", "encoder/conv2/bias"] {
        put(bias, &[64], 0.1);
    }
    for norm in ["encoder/layer_norm", "decoder/layer_norm"] {
        put(&format!("{norm}/gamma"), &[64], 2.0);
        put(&format!("{norm}/beta"), &[64], 1.0);
    }
    for (layer, parts) in [
        ("encoder/layer_0", &[("self_attention", &[3, 1][..]), ("ffn", &[4, 0])][..]),
        ("decoder/layer_0", &[("self_attention", &[3, 1]), ("attention", &[1, 2, 1]), ("ffn", &[4, 0])]),
    ] {
        for (part, sizes) in parts {
            put(&format!("{layer}/{part}/layer_norm/gamma"), &[64], 2.0);
            put(&format!("{layer}/{part}/layer_norm/beta"), &[64], 1.0);
            for (at, size) in sizes.iter().enumerate() {
                // The second of the two that feed forward takes what the first gave.
                let shape = if *size == 0 { [64, 256] } else { [64 * size, 64] };
                put(&format!("{layer}/{part}/linear_{at}/weight"), &shape, 0.3);
                put(&format!("{layer}/{part}/linear_{at}/bias"), &shape[..1], 0.3);
            }
        }
    }
    model
}

fn noise(count: u32) -> Vec<i16> {
    (0..count).map(|n| i16::try_from(n.wrapping_mul(2_654_435_761) >> 20).expect("12 bits") - 2_048).collect()
}

#[test]
fn what_is_heard_fits_the_grammar_and_the_shares_are_of_one_whole() {
    let recogniser = Recogniser::read(model()).expect("a network");
    let grammar = recogniser.digits(2, 3).expect("digits");
    let heard = recogniser.hear(&noise(4_000), &grammar);
    assert!(heard.len() > 5);
    for heard in &heard {
        assert!((2..=3).contains(&heard.meaning.len()) && heard.meaning.iter().all(|digit| *digit < 10));
        assert!(heard.score < 0.0);
    }
    assert!(heard.is_sorted_by(|one, other| one.score >= other.score), "the likeliest first");
    let sum: f32 = heard.iter().map(|heard| heard.share).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    assert_eq!(heard, recogniser.hear(&noise(4_000), &grammar), "the same each time");
    assert!(format!("{:?}", heard[0]).starts_with("Heard(… "), "what was said is not shown");
}

#[test]
fn one_digit_is_as_likely_as_its_tokens_one_by_one() {
    let recogniser = Recogniser::read(model()).expect("a network");
    let grammar = recogniser.digits(1, 1).expect("digits");
    let encoded = recogniser.listened(&noise(4_000));
    let everything = Beam { width: usize::MAX, behind: f32::INFINITY };
    let mut search = Search::new(&recogniser, &grammar);
    search.beam = everything;
    let found: BTreeMap<Vec<u16>, f32> = search.run(&encoded).into_iter().collect();
    let network = &recogniser.network;
    let everything: Vec<u32> = (0..).take(recogniser.tokens.len()).collect();
    // The book's way: the whole text again for each token, shares over the whole vocabulary.
    let after = |texts: &[u32]| {
        let mut decoder = network.decode(&encoded);
        let (mut last, mut row) = (None, Matrix::default());
        for token in texts {
            let (node, next) = decoder.extend(&[(last, *token)]).expect("short");
            (last, row) = (Some(node), next);
        }
        let logits: Vec<f32> = everything
            .iter()
            .map(|token| row.row(0).iter().zip(network.row_of(*token)).map(|(a, b)| a * b).sum())
            .collect();
        let sum = log_sum_exp(&logits);
        move |token: u32| logits[usize::try_from(token).expect("small")] - sum
    };
    for digit in 0..10_u16 {
        let word = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
            [usize::from(digit)];
        let capital = format!(" {}{}", word[..1].to_uppercase(), &word[1..]);
        // With one digit three of the ways are written alike.
        let ways =
            [format!(" {digit}"), format!(" {digit}"), format!(" {digit}"), capital, format!(" {word}")];
        let score = |way: &String| {
            let token = recogniser.tokens.number(way).expect("a token");
            let start = after(&network.prompt)(token);
            let end = after(&[&network.prompt[..], &[token]].concat());
            start + log_sum_exp(&network.ends.map(end))
        };
        let expected = log_sum_exp(&ways.iter().map(score).collect::<Vec<_>>());
        let found = found[&vec![digit]];
        assert!((found - expected).abs() < 1e-3, "{digit}: {found}, not {expected}");
    }
}

#[test]
fn what_is_expected_is_told_from_the_rest_and_few_strings_can_be_hoped_for() {
    let recogniser = Recogniser::read(model()).expect("a network");
    let grammar = recogniser.digits(2, 2).expect("digits");
    let samples = noise(4_000);
    let heard = recogniser.hear(&samples, &grammar);
    assert!(heard.len() > 1 && heard.iter().all(|one| one.meaning.len() == 2));
    assert!(heard.is_sorted_by(|one, other| one.margin() >= other.margin()), "the likeliest first");
    for threshold in [-6.0, -4.0, -3.0, -2.0, -1.0, 0.1, 2.0] {
        let taken = heard.iter().filter(|one| one.margin() >= threshold).count();
        let most = usize::try_from(strings_within(threshold)).expect("few");
        assert!(taken <= most, "{taken} strings are accepted at {threshold}, {most} at most");
    }
}

#[test]
fn every_kind_of_answer_is_understood_in_its_own_words() {
    let recogniser = Recogniser::read(model()).expect("a network");
    let (samples, code) = (noise(2_000), Secret::new(String::from("123")));
    let listen = |grammar: &SpokenGrammar, expected| {
        let understood = recogniser.listen(&samples, grammar, "en-GB", expected).expect("English");
        assert!(understood.len() <= 10 && understood.iter().all(|one| one.confidence < 100));
        assert!(understood.is_sorted_by_key(|one| std::cmp::Reverse(one.confidence)), "the surest first");
        understood
    };
    let digits = SpokenGrammar::Digits { min: 2, max: 4 };
    let is_digits = |words: &str| words.bytes().all(|octet| octet.is_ascii_digit());
    let heard = listen(&digits, None);
    assert!(!heard.is_empty() && heard.iter().all(|one| is_digits(one.words.expose())));
    let heard = listen(&digits, Some(&code));
    assert!(heard.iter().all(|one| one.words.expose().len() == 3), "as many as are expected");
    let heard = listen(&SpokenGrammar::Letters { min: 1, max: 2 }, None);
    let is_letters = |words: &str| words.len() <= 2 && words.bytes().all(|octet| octet.is_ascii_uppercase());
    assert!(!heard.is_empty() && heard.iter().all(|one| is_letters(one.words.expose())));
    let heard = listen(&SpokenGrammar::YesNo(Vec::new()), None);
    assert!(!heard.is_empty() && heard.iter().all(|one| matches!(one.choice, Some(0 | 1))));
    let phrases = SpokenGrammar::Phrases(vec![(7, "card".into()), (9, "pay".into()), (7, "my card".into())]);
    for one in listen(&phrases, None) {
        assert_eq!(one.words.expose(), if one.choice == Some(7) { "card" } else { "pay" });
    }
    for grammar in [SpokenGrammar::Date, SpokenGrammar::Money, SpokenGrammar::Free] {
        listen(&grammar, None);
    }
    assert!(matches!(recogniser.listen(&samples, &digits, "fr-FR", None), Err(ListenError::Language)));
}

#[test]
fn a_phrase_is_heard_by_its_number() {
    let recogniser = Recogniser::read(model()).expect("a network");
    let grammar = recogniser.phrases(&[(0, "yes"), (0, "yes please"), (1, "no")]);
    let heard = recogniser.hear(&noise(4_000), &grammar);
    let meanings: Vec<&[u16]> = heard.iter().map(|heard| &heard.meaning[..]).collect();
    assert!(
        !meanings.is_empty() && meanings.iter().all(|meaning| matches!(meaning, [0 | 1])),
        "{meanings:?}"
    );
}

#[test]
fn nothing_and_far_too_much_are_listened_to_without_harm() {
    let recogniser = Recogniser::read(model()).expect("a network");
    let grammar = recogniser.digits(1, 2).expect("digits");
    assert!(!recogniser.hear(&[], &grammar).is_empty());
    // Longer than the network's texts: what does not fit is not heard, and nothing panics.
    let long = recogniser.digits(30, 30).expect("digits");
    assert!(recogniser.hear(&noise(800), &long).is_empty());
}

#[test]
fn another_network_is_refused_by_the_name_of_what_differs() {
    let mut other = model();
    other.put("decoder/layer_0/attention/linear_1/bias", Part::floats(vec![2], &[0.0; 2]));
    let refused = Recogniser::read(other).err().expect("refused").to_string();
    assert!(refused.contains("decoder/layer_0/attention/linear_1/bias"), "{refused}");
    let mut without = model();
    without.put("vocabulary", Part { shape: vec![1], kind: Kind::F16, bytes: vec![0; 2] });
    assert!(Recogniser::read(without).is_err());
}
