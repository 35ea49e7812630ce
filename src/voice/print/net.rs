//! The network that makes a voice into numbers: CAM++, a densely connected time delay network with context-aware
//! masks behind a small convolutional front (Wang et al., Interspeech 2023). 6.85 million weights, 192 numbers out.
//!
//! Everything lies with time as rows. Batch normalisation is folded into the weights where nothing stands between.

use std::collections::BTreeMap;

use crate::voice::nn::{Matrix, View, product, product_into, sigmoid};
use crate::voice::state_dict::Tensor;

/// How many numbers a voice is.
pub const EMBEDDING: usize = 192;
/// Bands of the filter bank that goes in.
pub const BANDS: usize = 80;

/// The fewest rows that are a voice: two are left of them, and a deviation needs as many.
const FEWEST: usize = 4;
/// Channels of the convolutional front.
const FRONT: usize = 32;
/// What each dense layer adds.
const GROWTH: usize = 32;
/// The width inside a dense layer.
const INNER: usize = 128;
/// Steps that share one context mask.
const SEGMENT: usize = 100;
/// Layers and dilation of each dense block.
const BLOCKS: [(usize, usize); 3] = [(12, 1), (24, 2), (16, 2)];
/// What batch normalisation adds to a variance.
const EPSILON: f32 = 1e-5;

/// Why weights are not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// One is not there.
    #[error("the model has no `{0}`: it is another model than this engine knows")]
    Missing(String),
    /// One is of another size.
    #[error("`{0}` of the model has {1} numbers and should have {2}")]
    Size(String, usize, usize),
}

/// The network with its weights.
pub struct Net {
    front: Vec<FrontLayer>,
    entry: Taps,
    blocks: Vec<Block>,
    last: Scale,
    dense: Taps,
}

/// `x` · scale + shift, channel by channel: what batch normalisation comes to.
struct Scale {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Weights of a convolution, a matrix of inputs × outputs for each tap, and what is added.
struct Taps {
    taps: Vec<Matrix>,
    bias: Vec<f32>,
}

/// A 3 × 3 convolution over bands and time; three bands are taken side by side, so that a tap is one in time.
struct FrontLayer {
    conv: Taps,
    /// Bands from one output to the next.
    stride: usize,
    /// What goes around the layer before it and is added to what comes out of it.
    around: Around,
}

enum Around {
    /// Nothing is added.
    Nothing,
    /// The input of the layer before it.
    Plain,
    /// The same through a 1 × 1 convolution with this stride.
    Through(Taps, usize),
}

struct Block {
    layers: Vec<DenseLayer>,
    dilation: usize,
    before: Scale,
    transit: Taps,
}

struct DenseLayer {
    before: Scale,
    narrow: Taps,
    local: Taps,
    context: Taps,
    mask: Taps,
}

/// The tensors while a network is built.
struct Source<'a>(&'a BTreeMap<String, Tensor>);

impl Source<'_> {
    fn take(&self, name: &str, size: usize) -> Result<&[f32], WeightsError> {
        let tensor = self.0.get(name).ok_or_else(|| WeightsError::Missing(name.to_owned()))?;
        if tensor.values.len() != size {
            return Err(WeightsError::Size(name.to_owned(), tensor.values.len(), size));
        }
        Ok(&tensor.values)
    }

    fn scale(&self, name: &str, size: usize) -> Result<Scale, WeightsError> {
        let mean = self.take(&format!("{name}.running_mean"), size)?;
        let variance = self.take(&format!("{name}.running_var"), size)?;
        let learned = self.0.contains_key(&format!("{name}.weight"));
        let (weight, bias) = if learned {
            (self.take(&format!("{name}.weight"), size)?, self.take(&format!("{name}.bias"), size)?)
        } else {
            (&[1.0_f32; EMBEDDING][..], &[0.0_f32; EMBEDDING][..])
        };
        let scale: Vec<f32> = weight.iter().zip(variance).map(|(w, v)| w / (v + EPSILON).sqrt()).collect();
        let shift = bias.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok(Scale { scale, shift })
    }

    /// A convolution in time, stored as outputs × inputs × taps, with the normalisation behind it folded in.
    fn taps(
        &self,
        name: &str,
        [outputs, inputs, taps]: [usize; 3],
        after: Option<Scale>,
    ) -> Result<Taps, WeightsError> {
        let weight = self.take(&format!("{name}.weight"), outputs * inputs * taps)?;
        let after = match after {
            Some(scale) => scale,
            None => {
                let bias = format!("{name}.bias");
                let shift = if self.0.contains_key(&bias) {
                    self.take(&bias, outputs)?.to_vec()
                } else {
                    vec![0.0; outputs]
                };
                Scale { scale: vec![1.0; outputs], shift }
            }
        };
        let taps = (0..taps)
            .map(|tap| {
                let mut matrix = Matrix::zeros(inputs, outputs);
                for (input, row) in matrix.each_row_mut().enumerate() {
                    for (output, (to, scale)) in row.iter_mut().zip(&after.scale).enumerate() {
                        *to = weight[(output * inputs + input) * taps + tap] * scale;
                    }
                }
                matrix
            })
            .collect();
        Ok(Taps { taps, bias: after.shift })
    }

    /// A 3 × 3 convolution, stored as outputs × inputs × bands × time, as one in time over three bands' channels.
    fn front(&self, conv: &str, norm: &str, inputs: usize) -> Result<Taps, WeightsError> {
        let weight = self.take(&format!("{conv}.weight"), FRONT * inputs * 9)?;
        let after = self.scale(norm, FRONT)?;
        let taps = (0..3)
            .map(|tap| {
                let mut matrix = Matrix::zeros(3 * inputs, FRONT);
                for (row, values) in matrix.each_row_mut().enumerate() {
                    let (band, input) = (row / inputs, row % inputs);
                    for (output, (to, scale)) in values.iter_mut().zip(&after.scale).enumerate() {
                        *to = weight[((output * inputs + input) * 3 + band) * 3 + tap] * scale;
                    }
                }
                matrix
            })
            .collect();
        Ok(Taps { taps, bias: after.shift })
    }
}

impl Net {
    /// The network from the tensors of its state dict.
    ///
    /// # Errors
    /// When a tensor is missing or of another size.
    pub fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Self, WeightsError> {
        let source = Source(tensors);
        let mut blocks = Vec::new();
        let mut width = INNER;
        for (number, (layers, dilation)) in (1..).zip(BLOCKS) {
            let block = block(&source, number, (layers, dilation), width)?;
            width = (width + layers * GROWTH) / 2;
            blocks.push(block);
        }
        Ok(Self {
            front: front(&source)?,
            entry: entry(&source)?,
            blocks,
            last: source.scale("xvector.out_nonlinear.batchnorm", width)?,
            dense: source.taps(
                "xvector.dense.linear",
                [EMBEDDING, 2 * width, 1],
                Some(source.scale("xvector.dense.nonlinear.batchnorm", EMBEDDING)?),
            )?,
        })
    }

    /// A voice from its filter bank, a row of [`BANDS`] for each 10 ms. `None` for fewer than four.
    #[must_use]
    pub fn embed(&self, features: &Matrix) -> Option<[f32; EMBEDDING]> {
        if features.rows() < FEWEST || features.cols() != BANDS {
            return None;
        }
        let mut x = self.enter(&self.before(features));
        for block in &self.blocks {
            x = block.pass(x);
        }
        self.last.rectify(&mut x);
        let pooled = statistics(&x);
        let out = product(View::new(1, pooled.len(), &pooled), self.dense.taps[0].view());
        let mut voice = [0.0; EMBEDDING];
        for ((to, from), bias) in voice.iter_mut().zip(out.data()).zip(&self.dense.bias) {
            *to = from + bias;
        }
        Some(voice)
    }

    /// The convolutional front: 32 channels for each of ten bands, time as rows.
    fn before(&self, features: &Matrix) -> Matrix {
        let mut now = Planes { bands: BANDS, channels: 1, data: framed(features, BANDS, 1) };
        let mut older: Option<Planes> = None;
        for layer in &self.front {
            let out = layer.pass(&now, older.as_ref());
            older = Some(now);
            now = out;
        }
        let width = now.bands * now.channels;
        let mut out = Matrix::zeros(features.rows(), width);
        for (to, row) in out.each_row_mut().zip(now.data.each_row().skip(1)) {
            to.copy_from_slice(&row[now.channels..now.channels + width]);
        }
        out
    }

    /// Five steps to one, every second step.
    fn enter(&self, x: &Matrix) -> Matrix {
        let (steps, width) = (x.rows().div_ceil(2), x.cols());
        // Two steps of silence before, and as many behind as the last output needs; two steps a row.
        let mut padded = Matrix::zeros(steps + 2, 2 * width);
        padded.data_mut()[2 * width..2 * width + x.data().len()].copy_from_slice(x.data());
        let mut out = Matrix::zeros(steps, INNER);
        out.each_row_mut().for_each(|row| row.copy_from_slice(&self.entry.bias));
        for (tap, weight) in self.entry.taps.iter().enumerate() {
            let view = padded.view().rows_from(tap / 2, steps).columns(tap % 2 * width, width);
            product_into(view, weight.view(), 1.0, &mut out, 0);
        }
        out.data_mut().iter_mut().for_each(|x| *x = x.max(0.0));
        out
    }
}

fn front(source: &Source<'_>) -> Result<Vec<FrontLayer>, WeightsError> {
    let mut layers = vec![FrontLayer {
        conv: source.front("head.conv1", "head.bn1", 1)?,
        stride: 1,
        around: Around::Nothing,
    }];
    for (name, stride) in [("layer1.0", 2), ("layer1.1", 1), ("layer2.0", 2), ("layer2.1", 1)] {
        let part = |what: &str| format!("head.{name}.{what}");
        let around = if stride == 1 {
            Around::Plain
        } else {
            let after = source.scale(&part("shortcut.1"), FRONT)?;
            Around::Through(source.taps(&part("shortcut.0"), [FRONT, FRONT, 1], Some(after))?, stride)
        };
        let conv = source.front(&part("conv1"), &part("bn1"), FRONT)?;
        layers.push(FrontLayer { conv, stride, around: Around::Nothing });
        let conv = source.front(&part("conv2"), &part("bn2"), FRONT)?;
        layers.push(FrontLayer { conv, stride: 1, around });
    }
    let conv = source.front("head.conv2", "head.bn2", FRONT)?;
    layers.push(FrontLayer { conv, stride: 2, around: Around::Nothing });
    Ok(layers)
}

/// The first convolution in time; its inputs are stored channel by channel, and lie here band by band.
fn entry(source: &Source<'_>) -> Result<Taps, WeightsError> {
    const OUT_BANDS: usize = BANDS / 8;
    let after = source.scale("xvector.tdnn.nonlinear.batchnorm", INNER)?;
    let stored = source.taps("xvector.tdnn.linear", [INNER, FRONT * OUT_BANDS, 5], Some(after))?;
    let taps = stored
        .taps
        .iter()
        .map(|tap| {
            let mut turned = Matrix::zeros(tap.rows(), tap.cols());
            for (at, row) in turned.each_row_mut().enumerate() {
                row.copy_from_slice(tap.row(at % FRONT * OUT_BANDS + at / FRONT));
            }
            turned
        })
        .collect();
    Ok(Taps { taps, bias: stored.bias })
}

fn block(
    source: &Source<'_>,
    number: usize,
    (count, dilation): (usize, usize),
    width: usize,
) -> Result<Block, WeightsError> {
    let mut layers = Vec::new();
    for layer in 0..count {
        let part = |what: &str| format!("xvector.block{number}.tdnnd{}.{what}", layer + 1);
        let inputs = width + layer * GROWTH;
        let after = source.scale(&part("nonlinear2.batchnorm"), INNER)?;
        layers.push(DenseLayer {
            before: source.scale(&part("nonlinear1.batchnorm"), inputs)?,
            narrow: source.taps(&part("linear1"), [INNER, inputs, 1], Some(after))?,
            local: source.taps(&part("cam_layer.linear_local"), [GROWTH, INNER, 3], None)?,
            context: source.taps(&part("cam_layer.linear1"), [INNER / 2, INNER, 1], None)?,
            mask: source.taps(&part("cam_layer.linear2"), [GROWTH, INNER / 2, 1], None)?,
        });
    }
    let all = width + count * GROWTH;
    let part = |what: &str| format!("xvector.transit{number}.{what}");
    Ok(Block {
        layers,
        dilation,
        before: source.scale(&part("nonlinear.batchnorm"), all)?,
        transit: source.taps(&part("linear"), [all / 2, all, 1], None)?,
    })
}

/// Bands × channels at each step, with an empty band on either side and an empty step at either end.
struct Planes {
    bands: usize,
    channels: usize,
    data: Matrix,
}

/// Numbers with an empty step at either end, and an empty band on either side.
fn framed(x: &Matrix, bands: usize, channels: usize) -> Matrix {
    let mut out = Matrix::zeros(x.rows() + 2, (bands + 2) * channels);
    for (to, from) in out.each_row_mut().skip(1).zip(x.each_row()) {
        to[channels..channels + from.len()].copy_from_slice(from);
    }
    out
}

impl FrontLayer {
    fn pass(&self, now: &Planes, older: Option<&Planes>) -> Planes {
        let steps = now.data.rows() - 2;
        let bands = now.bands.div_ceil(self.stride);
        let mut sum = Matrix::zeros(steps, bands * FRONT);
        for row in sum.each_row_mut() {
            row.chunks_exact_mut(FRONT).for_each(|band| band.copy_from_slice(&self.conv.bias));
        }
        for band in 0..bands {
            let columns = now.data.view().columns(band * self.stride * now.channels, 3 * now.channels);
            for (tap, weight) in self.conv.taps.iter().enumerate() {
                product_into(columns.rows_from(tap, steps), weight.view(), 1.0, &mut sum, band * FRONT);
            }
        }
        match (&self.around, older) {
            (Around::Plain, Some(older)) => {
                sum.add(older.data.view().rows_from(1, steps).columns(FRONT, bands * FRONT));
            }
            (Around::Through(conv, stride), Some(older)) => {
                for row in sum.each_row_mut() {
                    for band in row.chunks_exact_mut(FRONT) {
                        band.iter_mut().zip(&conv.bias).for_each(|(to, bias)| *to += bias);
                    }
                }
                for band in 0..bands {
                    let columns = older.data.view().columns((band * stride + 1) * FRONT, FRONT);
                    let weight = conv.taps[0].view();
                    product_into(columns.rows_from(1, steps), weight, 1.0, &mut sum, band * FRONT);
                }
            }
            _ => {}
        }
        sum.data_mut().iter_mut().for_each(|x| *x = x.max(0.0));
        Planes { bands, channels: FRONT, data: framed(&sum, bands, FRONT) }
    }
}

impl Scale {
    /// Scales, shifts, and leaves nothing below zero.
    fn rectify(&self, x: &mut Matrix) {
        for row in x.each_row_mut() {
            for ((x, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *x = (*x * scale + shift).max(0.0);
            }
        }
    }

    /// The first columns of `x`, rectified.
    fn rectified(&self, x: &Matrix) -> Matrix {
        let mut out = Matrix::zeros(x.rows(), self.scale.len());
        for (to, from) in out.each_row_mut().zip(x.each_row()) {
            for (((to, from), scale), shift) in to.iter_mut().zip(from).zip(&self.scale).zip(&self.shift) {
                *to = (from * scale + shift).max(0.0);
            }
        }
        out
    }
}

impl Block {
    fn pass(&self, x: Matrix) -> Matrix {
        let (steps, width) = (x.rows(), x.cols());
        let mut all = Matrix::zeros(steps, width + self.layers.len() * GROWTH);
        for (to, from) in all.each_row_mut().zip(x.each_row()) {
            to[..width].copy_from_slice(from);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            layer.pass(&mut all, width + index * GROWTH, self.dilation);
        }
        self.before.rectify(&mut all);
        product(all.view(), self.transit.taps[0].view())
    }
}

impl DenseLayer {
    /// Reads the columns before `column` and writes the next [`GROWTH`].
    fn pass(&self, all: &mut Matrix, column: usize, dilation: usize) {
        let steps = all.rows();
        let narrow = product(self.before.rectified(all).view(), self.narrow.taps[0].view());
        // An empty stretch at either end, as long as a tap reaches.
        let mut padded = Matrix::zeros(steps + 2 * dilation, INNER);
        for (to, from) in padded.each_row_mut().skip(dilation).zip(narrow.each_row()) {
            for ((to, from), bias) in to.iter_mut().zip(from).zip(&self.narrow.bias) {
                *to = (from + bias).max(0.0);
            }
        }
        for (tap, weight) in self.local.taps.iter().enumerate() {
            let view = padded.view().rows_from(tap * dilation, steps);
            product_into(view, weight.view(), if tap == 0 { 0.0 } else { 1.0 }, all, column);
        }
        let masks = self.masks(&padded.data()[dilation * INNER..(dilation + steps) * INNER]);
        for (step, row) in all.each_row_mut().enumerate() {
            for (x, mask) in row[column..column + GROWTH].iter_mut().zip(masks.row(step / SEGMENT)) {
                *x *= mask;
            }
        }
    }

    /// A mask for each segment, from its mean and the mean of all.
    fn masks(&self, x: &[f32]) -> Matrix {
        let whole = mean(x);
        let mut context = Matrix::zeros(0, INNER);
        for segment in x.chunks(SEGMENT * INNER) {
            let sum: Vec<f32> = mean(segment).iter().zip(&whole).map(|(a, b)| a + b).collect();
            context.push_row(&sum);
        }
        let mut hidden = product(context.view(), self.context.taps[0].view());
        for row in hidden.each_row_mut() {
            row.iter_mut().zip(&self.context.bias).for_each(|(x, bias)| *x = (*x + bias).max(0.0));
        }
        let mut masks = product(hidden.view(), self.mask.taps[0].view());
        for row in masks.each_row_mut() {
            row.iter_mut().zip(&self.mask.bias).for_each(|(x, bias)| *x = sigmoid(*x + bias));
        }
        masks
    }
}

/// The mean of rows of [`INNER`].
fn mean(rows: &[f32]) -> [f32; INNER] {
    let mut sum = [0.0; INNER];
    for row in rows.chunks_exact(INNER) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let count = float((rows.len() / INNER).max(1));
    sum.map(|sum| sum / count)
}

/// Mean and standard deviation of every column, one behind the other.
fn statistics(x: &Matrix) -> Vec<f32> {
    let (steps, width) = (float(x.rows()), x.cols());
    let mut sums = vec![0.0; width];
    for row in x.each_row() {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let means: Vec<f32> = sums.iter().map(|sum| sum / steps).collect();
    let mut squares = vec![0.0; width];
    for row in x.each_row() {
        for ((square, x), mean) in squares.iter_mut().zip(row).zip(&means) {
            *square += (x - mean) * (x - mean);
        }
    }
    let deviations = squares.iter().map(|square| (square / (steps - 1.0).max(1.0)).sqrt());
    means.iter().copied().chain(deviations).collect()
}

#[expect(clippy::cast_precision_loss, reason = "steps of half a minute")]
fn float(n: usize) -> f32 {
    n as f32
}

#[cfg(test)]
#[path = "net_tests.rs"]
pub(crate) mod tests;
