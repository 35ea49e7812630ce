//! What is read, and that nothing else is.

use super::*;

/// A ZIP of entries as they are.
fn zip(entries: &[(&str, &[u8])], method: u16) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let at = number(file.len());
        let mut sizes = vec![0; 4];
        sizes.extend([number(bytes.len()), number(bytes.len())].concat());
        let names = [u16::try_from(name.len()).expect("short").to_le_bytes(), [0; 2]].concat();
        let head = [&[20, 0, 0, 0][..], &method.to_le_bytes(), &[0; 4], &sizes, &names].concat();
        file.extend([b"PK\x03\x04", &head[..], name.as_bytes(), bytes].concat());
        list.extend([b"PK\x01\x02\x14\0", &head[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let count = u16::try_from(entries.len()).expect("few").to_le_bytes();
    let (start, size) = (number(file.len()), number(list.len()));
    file.extend(list);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0; 2]].concat());
    file
}

fn number(n: usize) -> [u8; 4] {
    u32::try_from(n).expect("small").to_le_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &number(text.len())[..], text.as_bytes()].concat()
}

/// A state dict with one tensor of two rows of three.
fn pickle(callable: &str, kind: &str, offset: u8) -> Vec<u8> {
    let mut code = b"\x80\x02}q\0(".to_vec();
    code.extend(text("a.weight"));
    code.extend(format!("c{callable}\n((").bytes());
    code.extend(text("storage"));
    code.extend(format!("ctorch\n{kind}\n").bytes());
    code.extend([text("0"), text("cpu")].concat());
    code.extend(*b"K\x06tQK");
    code.push(offset);
    // The axes, the steps, whether it learns, its hooks; then the end of the dictionary.
    code.extend(*b"K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtRu.");
    code
}

const REBUILD: &str = "torch._utils\n_rebuild_tensor_v2";

fn file(pickle: &[u8], numbers: &[u8]) -> Vec<u8> {
    zip(&[("archive/data.pkl", pickle), ("archive/data/0", numbers)], 0)
}

fn singles() -> Vec<u8> {
    [1.0_f32, 2.0, 3.0, 4.0, 5.0, -6.5].iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn a_tensor_is_read_with_its_shape() {
    let read = read(&file(&pickle(REBUILD, "FloatStorage", 0), &singles())).expect("a state dict");
    let tensor = Tensor { shape: vec![2, 3], values: vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.5] };
    assert_eq!(read, BTreeMap::from([("a.weight".to_owned(), tensor)]));
}

#[test]
fn numbers_of_16_bits_are_read_and_whole_ones_left_out() {
    let halves: Vec<u8> =
        [0x3c00_u16, 0xc100, 0x0001, 0x7c00, 0x3555, 0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors = read(&file(&pickle(REBUILD, "HalfStorage", 0), &halves)).expect("a state dict");
    let known = [1.0, -2.5, 5.960_464_5e-8, f32::INFINITY, 0.333_251_95, 0.0];
    assert_eq!(tensors["a.weight"].values, known);
    let counters = read(&file(&pickle(REBUILD, "LongStorage", 0), &[0; 48])).expect("a state dict");
    assert!(counters.is_empty());
}

#[test]
fn nothing_else_is_called() {
    for (callable, name) in [
        ("os\nsystem", "os.system"),
        ("builtins\neval", "builtins.eval"),
        ("torch._utils\n_rebuild_parameter", "torch._utils._rebuild_parameter"),
    ] {
        let read = read(&file(&pickle(callable, "FloatStorage", 0), &singles()));
        assert_eq!(read, Err(StateDictError::Callable(name.into())));
    }
    for instruction in [b'b', b'i', b'o', 0x81, 0x93, b'P'] {
        let read = read(&file(&[0x80, 2, b'}', instruction], &[]));
        assert_eq!(read, Err(StateDictError::Instruction(instruction)));
    }
}

#[test]
fn what_does_not_fit_its_numbers_is_refused() {
    let refused = Err(StateDictError::Shape("a.weight".into()));
    assert_eq!(read(&file(&pickle(REBUILD, "FloatStorage", 1), &singles())), refused);
    assert_eq!(read(&file(&pickle(REBUILD, "FloatStorage", 0), &singles()[..20])), refused);
}

#[test]
fn tuples_in_tuples_in_tuples_are_refused() {
    // Each step doubles what the one before holds: a few octets would be all the memory there is.
    let mut code = b"\x80\x02}K\0K\0\x86".to_vec();
    for note in 0..60 {
        code.extend([b'q', note, b'h', note, 0x86]);
    }
    code.push(b'.');
    let deep = StateDictError::Damaged("a tuple in it is too long or too deep");
    assert_eq!(read(&file(&code, &[])), Err(deep));
}

#[test]
fn no_damage_is_more_than_an_error() {
    let whole = file(&pickle(REBUILD, "FloatStorage", 0), &singles());
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        for with in [0, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = with;
            // Some octets matter to nobody (the date of an entry); none may bring the reader down.
            drop(read(&damaged));
        }
    }
    let packed = zip(&[("archive/data.pkl", b"}.")], 8);
    assert_eq!(read(&packed), Err(StateDictError::Archive("an entry is compressed")));
}
