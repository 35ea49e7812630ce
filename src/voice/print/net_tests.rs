//! The network against the reference, with weights that anybody can make again.

use super::*;

/// Even numbers between −1 and 1, the same from the same seed.
pub(crate) struct Even(pub(crate) u64);

impl Even {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 40).expect("24 bits")) / 16_777_216.0 * 2.0 - 1.0
    }
}

/// Weights that anybody can make again: even numbers from the FNV-1a hash of each name.
pub(crate) fn tensors() -> BTreeMap<String, Tensor> {
    let mut all = BTreeMap::new();
    let mut put = |name: String, shape: &[usize]| {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut even = Even(hash);
        let inputs: usize = shape.iter().skip(1).product();
        let values = (0..shape.iter().product::<usize>())
            .map(|_| {
                let even = even.next();
                let value = match shape {
                    [_] if name.ends_with("running_var") => 0.75 + even * 0.25,
                    [_] if name.ends_with("weight") => 1.0 + even * 0.1,
                    [_] => even * 0.1,
                    _ => even * (3.0 / crate::audio::count(inputs)).sqrt(),
                };
                #[expect(clippy::cast_possible_truncation, reason = "a weight")]
                let value = value as f32;
                value
            })
            .collect();
        all.insert(name, Tensor { shape: shape.to_vec(), values });
    };
    let norm = |put: &mut dyn FnMut(String, &[usize]), name: &str, size: usize, learned: bool| {
        for what in ["running_mean", "running_var"] {
            put(format!("{name}.{what}"), &[size]);
        }
        for what in ["weight", "bias"].into_iter().filter(|_| learned) {
            put(format!("{name}.{what}"), &[size]);
        }
    };
    put("head.conv1.weight".into(), &[32, 1, 3, 3]);
    norm(&mut put, "head.bn1", 32, true);
    for layer in ["layer1.0", "layer1.1", "layer2.0", "layer2.1"] {
        for half in [1, 2] {
            put(format!("head.{layer}.conv{half}.weight"), &[32, 32, 3, 3]);
            norm(&mut put, &format!("head.{layer}.bn{half}"), 32, true);
        }
        if layer.ends_with('0') {
            put(format!("head.{layer}.shortcut.0.weight"), &[32, 32, 1, 1]);
            norm(&mut put, &format!("head.{layer}.shortcut.1"), 32, true);
        }
    }
    put("head.conv2.weight".into(), &[32, 32, 3, 3]);
    norm(&mut put, "head.bn2", 32, true);
    put("xvector.tdnn.linear.weight".into(), &[128, 320, 5]);
    norm(&mut put, "xvector.tdnn.nonlinear.batchnorm", 128, true);
    let mut width = 128;
    for (block, layers) in [(1, 12), (2, 24), (3, 16)] {
        for layer in 1..=layers {
            let part = |what: &str| format!("xvector.block{block}.tdnnd{layer}.{what}");
            norm(&mut put, &part("nonlinear1.batchnorm"), width, true);
            put(part("linear1.weight"), &[128, width, 1]);
            norm(&mut put, &part("nonlinear2.batchnorm"), 128, true);
            put(part("cam_layer.linear_local.weight"), &[32, 128, 3]);
            put(part("cam_layer.linear1.weight"), &[64, 128, 1]);
            put(part("cam_layer.linear1.bias"), &[64]);
            put(part("cam_layer.linear2.weight"), &[32, 64, 1]);
            put(part("cam_layer.linear2.bias"), &[32]);
            width += 32;
        }
        norm(&mut put, &format!("xvector.transit{block}.nonlinear.batchnorm"), width, true);
        put(format!("xvector.transit{block}.linear.weight"), &[width / 2, width, 1]);
        width /= 2;
    }
    norm(&mut put, "xvector.out_nonlinear.batchnorm", 512, true);
    put("xvector.dense.linear.weight".into(), &[192, 1024, 1]);
    norm(&mut put, "xvector.dense.nonlinear.batchnorm", 192, false);
    all
}

/// What the reference network makes of the same weights and the same filter bank, in PyTorch.
#[test]
fn the_network_is_the_reference_network() {
    let net = Net::from_tensors(&tensors()).expect("the network");
    let mut even = Even(7);
    #[expect(clippy::cast_possible_truncation, reason = "a feature")]
    let features = Matrix::new(231, 80, (0..231 * 80).map(|_| (even.next() * 2.0) as f32).collect());
    let voice = net.embed(&features).expect("a voice");
    let known = [-0.2379, -0.24166, 0.01896, 0.07478, -0.17604, -0.09355, -0.04349, -0.04359];
    let last = [0.06415, -0.13832];
    for (ours, known) in voice.iter().zip(known).chain(voice[190..].iter().zip(last)) {
        assert!((ours - known).abs() < 2e-4, "{ours}, not {known}");
    }
    let length = voice.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((length - 3.232_134).abs() < 1e-3, "{length}");
}

#[test]
fn another_network_is_refused_by_what_differs() {
    let mut wrong = tensors();
    wrong.remove("xvector.block2.tdnnd24.linear1.weight");
    let missing = WeightsError::Missing("xvector.block2.tdnnd24.linear1.weight".into());
    assert_eq!(Net::from_tensors(&wrong).err(), Some(missing));
    let mut wrong = tensors();
    wrong.insert("head.conv1.weight".into(), Tensor { shape: vec![3], values: vec![0.0; 3] });
    let size = WeightsError::Size("head.conv1.weight".into(), 3, 288);
    assert_eq!(Net::from_tensors(&wrong).err(), Some(size));
}

#[test]
fn too_little_is_no_voice() {
    let net = Net::from_tensors(&tensors()).expect("the network");
    assert_eq!(net.embed(&Matrix::zeros(FEWEST - 1, BANDS)), None);
    assert_eq!(net.embed(&Matrix::zeros(100, BANDS - 1)), None);
    assert!(net.embed(&Matrix::zeros(FEWEST, BANDS)).is_some());
}
