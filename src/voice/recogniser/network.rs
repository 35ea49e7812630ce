//! Whisper's two halves: an encoder of the whole speech, and a decoder that gives the next token.

use super::tokens::{END, Tokens};
use crate::voice::model::{ModelError, ModelFile};
use crate::voice::nn::{Conv1d, Matrix, View, attention, conv1d, gelu, layer_norm, linear};

pub(super) struct Network {
    first: Linear,
    second: Linear,
    positions: Matrix,
    encoder: Vec<EncoderLayer>,
    encoder_norm: Norm,
    embeddings: Matrix,
    decoder_positions: Matrix,
    decoder: Vec<DecoderLayer>,
    decoder_norm: Norm,
    heads: usize,
    /// The tokens before every text: start, language and task where there are several, no times.
    pub(super) prompt: Vec<u32>,
    /// The tokens that end one: the end itself, a full stop before it.
    pub(super) ends: [u32; 2],
}

struct Linear {
    weight: Matrix,
    bias: Vec<f32>,
}

struct Norm {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// What looks at all steps of its own half.
struct OwnAttention {
    norm: Norm,
    /// Query, key and value side by side.
    looks: Linear,
    out: Linear,
}

/// What looks at the encoder's steps.
struct CrossAttention {
    norm: Norm,
    query: Linear,
    /// Key and value side by side.
    heard: Linear,
    out: Linear,
}

struct Feed {
    norm: Norm,
    up: Linear,
    down: Linear,
}

struct EncoderLayer {
    own: OwnAttention,
    feed: Feed,
}

struct DecoderLayer {
    own: OwnAttention,
    cross: CrossAttention,
    feed: Feed,
}

impl Network {
    pub(super) fn read(model: &mut ModelFile, tokens: &Tokens) -> Result<Self, ModelError> {
        let axes = |model: &ModelFile, name: &str, axis: usize| {
            let shape = model.shape(name).and_then(|shape| shape.get(axis).copied());
            shape.filter(|size| *size > 0).ok_or_else(|| ModelError::Missing(name.to_owned()))
        };
        let width = axes(model, "encoder/conv1/weight", 0)?;
        let longest = axes(model, "encoder/position_encodings/encodings", 0)?;
        let deepest = axes(model, "decoder/position_encodings/encodings", 0)?;
        let layers = |model: &ModelFile, half: &str| {
            (0..)
                .take_while(|at| model.shape(&format!("{half}/layer_{at}/ffn/linear_0/bias")).is_some())
                .count()
        };
        let (encoders, decoders) = (layers(model, "encoder"), layers(model, "decoder"));
        let special =
            |name: &str| tokens.number(name).ok_or_else(|| ModelError::Missing(format!("token {name}")));
        let mut prompt = vec![special("<|startoftranscript|>")?];
        if tokens.len() > OF_ENGLISH {
            prompt.extend([special("<|en|>")?, special("<|transcribe|>")?]);
        }
        prompt.push(special("<|notimestamps|>")?);
        let ends = [special(END)?, special(".")?];
        let mut parts = Parts { model, width };
        Ok(Self {
            first: parts.linear("encoder/conv1", width, &[super::spectrum::BANDS, TAPS.kernel])?,
            second: parts.linear("encoder/conv2", width, &[width, TAPS.kernel])?,
            positions: parts.matrix("encoder/position_encodings/encodings", longest, &[width])?,
            encoder: (0..encoders)
                .map(|at| {
                    let name = format!("encoder/layer_{at}");
                    Ok(EncoderLayer { own: parts.own(&name)?, feed: parts.feed(&name)? })
                })
                .collect::<Result<_, ModelError>>()?,
            encoder_norm: parts.norm("encoder/layer_norm")?,
            embeddings: parts.matrix("decoder/embeddings/weight", tokens.len(), &[width])?,
            decoder_positions: parts.matrix("decoder/position_encodings/encodings", deepest, &[width])?,
            decoder: (0..decoders)
                .map(|at| {
                    let name = format!("decoder/layer_{at}");
                    let (own, cross, feed) = (parts.own(&name)?, parts.cross(&name)?, parts.feed(&name)?);
                    Ok(DecoderLayer { own, cross, feed })
                })
                .collect::<Result<_, ModelError>>()?,
            decoder_norm: parts.norm("decoder/layer_norm")?,
            heads: (width / HEAD).max(1),
            prompt,
            ends,
        })
    }

    pub(super) fn width(&self) -> usize {
        self.embeddings.cols()
    }

    /// How many steps of 20 ms are known.
    pub(super) fn longest(&self) -> usize {
        self.positions.rows()
    }

    /// What makes a token likely.
    pub(super) fn row_of(&self, token: u32) -> &[f32] {
        self.embeddings.row(usize::try_from(token).unwrap_or(usize::MAX))
    }

    /// How likely each token is, for each row of [`Decoder::extend`].
    pub(super) fn all(&self, rows: &Matrix) -> Matrix {
        linear(rows.view(), self.embeddings.view(), None)
    }

    /// Frames of 10 ms as steps of 20 ms.
    pub(super) fn encode(&self, frames: &Matrix) -> Matrix {
        let mut x = conv1d(frames, self.first.weight.view(), Some(&self.first.bias), TAPS);
        gelu(x.data_mut());
        let halved = Conv1d { stride: 2, ..TAPS };
        let mut x = conv1d(&x, self.second.weight.view(), Some(&self.second.bias), halved);
        gelu(x.data_mut());
        let steps = x.rows();
        x.add(self.positions.view().rows_from(0, steps));
        let width = self.width();
        for layer in &self.encoder {
            let looks = layer.own.looks.of(&layer.own.norm.of(&x));
            let [query, key, value] = [0, 1, 2].map(|part| looks.view().columns(part * width, width));
            x.add(layer.own.out.of(&attention(query, key, value, self.heads)).view());
            layer.feed.add_to(&mut x);
        }
        self.encoder_norm.of(&x)
    }

    /// Begins to write down what was encoded.
    pub(super) fn decode(&self, encoded: &Matrix) -> Decoder<'_> {
        let heard = self.decoder.iter().map(|layer| layer.cross.heard.of(encoded)).collect();
        Decoder { network: self, heard, nodes: Vec::new() }
    }
}

/// Texts that grow as a tree, each of whose tokens is reckoned once.
pub(super) struct Decoder<'a> {
    network: &'a Network,
    /// What each layer has of the speech: keys and values side by side.
    heard: Vec<Matrix>,
    nodes: Vec<Node>,
}

struct Node {
    parent: Option<usize>,
    depth: usize,
    /// Key and value of each layer, side by side.
    own: Vec<Vec<f32>>,
}

impl Decoder<'_> {
    /// Tokens after others; the number of the first of them, and a row for each, whose product with a token's row
    /// says how likely that comes next. `None` when one would be deeper than the network knows.
    pub(super) fn extend(&mut self, more: &[(Option<usize>, u32)]) -> Option<(usize, Matrix)> {
        let (network, first) = (self.network, self.nodes.len());
        let mut x = Matrix::zeros(0, network.width());
        for (parent, token) in more {
            let depth = parent.map_or(0, |parent| self.nodes[parent].depth + 1);
            if depth >= network.decoder_positions.rows() {
                return None;
            }
            let sum =
                network.row_of(*token).iter().zip(network.decoder_positions.row(depth)).map(|(a, b)| a + b);
            x.push_row(&sum.collect::<Vec<_>>());
            self.nodes.push(Node { parent: *parent, depth, own: Vec::new() });
        }
        let width = network.width();
        for (at, layer) in network.decoder.iter().enumerate() {
            let looks = layer.own.looks.of(&layer.own.norm.of(&x));
            for (node, row) in self.nodes.iter_mut().skip(first).zip(looks.each_row()) {
                node.own.push(row[width..].to_vec());
            }
            let mut seen = Matrix::zeros(0, width);
            for row in 0..x.rows() {
                let query = looks.view().rows_from(row, 1).columns(0, width);
                seen.push_row(self.before(first + row, at, query).data());
            }
            x.add(layer.own.out.of(&seen).view());
            let query = layer.cross.query.of(&layer.cross.norm.of(&x));
            let heard = self.heard[at].view();
            let (key, value) = (heard.columns(0, width), heard.columns(width, width));
            x.add(layer.cross.out.of(&attention(query.view(), key, value, network.heads)).view());
            layer.feed.add_to(&mut x);
        }
        Some((first, network.decoder_norm.of(&x)))
    }

    /// What a token takes from itself and those before it.
    fn before(&self, node: usize, layer: usize, query: View<'_>) -> Matrix {
        let width = self.network.width();
        let mut looks = Matrix::zeros(0, 2 * width);
        let mut node = Some(node);
        while let Some(at) = node {
            looks.push_row(&self.nodes[at].own[layer]);
            node = self.nodes[at].parent;
        }
        let looks = looks.view();
        attention(query, looks.columns(0, width), looks.columns(width, width), self.network.heads)
    }
}

impl Linear {
    fn of(&self, x: &Matrix) -> Matrix {
        linear(x.view(), self.weight.view(), Some(&self.bias))
    }
}

impl Norm {
    fn of(&self, x: &Matrix) -> Matrix {
        let mut out = x.clone();
        layer_norm(&mut out, &self.scale, &self.bias);
        out
    }
}

impl Feed {
    fn add_to(&self, x: &mut Matrix) {
        let mut hidden = self.up.of(&self.norm.of(x));
        gelu(hidden.data_mut());
        x.add(self.down.of(&hidden).view());
    }
}

/// Takes the parts of a model by their names.
struct Parts<'a> {
    model: &'a mut ModelFile,
    width: usize,
}

impl Parts<'_> {
    fn matrix(&mut self, name: &str, rows: usize, rest: &[usize]) -> Result<Matrix, ModelError> {
        let shape = [&[rows], rest].concat();
        Ok(Matrix::new(rows, rest.iter().product(), self.model.take(name, &shape)?))
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: &[usize]) -> Result<Linear, ModelError> {
        let weight = self.matrix(&format!("{name}/weight"), outputs, inputs)?;
        Ok(Linear { weight, bias: self.model.take(&format!("{name}/bias"), &[outputs])? })
    }

    fn norm(&mut self, name: &str) -> Result<Norm, ModelError> {
        let scale = self.model.take(&format!("{name}/gamma"), &[self.width])?;
        Ok(Norm { scale, bias: self.model.take(&format!("{name}/beta"), &[self.width])? })
    }

    fn own(&mut self, name: &str) -> Result<OwnAttention, ModelError> {
        let (name, width) = (format!("{name}/self_attention"), self.width);
        Ok(OwnAttention {
            norm: self.norm(&format!("{name}/layer_norm"))?,
            looks: self.linear(&format!("{name}/linear_0"), 3 * width, &[width])?,
            out: self.linear(&format!("{name}/linear_1"), width, &[width])?,
        })
    }

    fn cross(&mut self, name: &str) -> Result<CrossAttention, ModelError> {
        let (name, width) = (format!("{name}/attention"), self.width);
        Ok(CrossAttention {
            norm: self.norm(&format!("{name}/layer_norm"))?,
            query: self.linear(&format!("{name}/linear_0"), width, &[width])?,
            heard: self.linear(&format!("{name}/linear_1"), 2 * width, &[width])?,
            out: self.linear(&format!("{name}/linear_2"), width, &[width])?,
        })
    }

    fn feed(&mut self, name: &str) -> Result<Feed, ModelError> {
        let (name, width) = (format!("{name}/ffn"), self.width);
        Ok(Feed {
            norm: self.norm(&format!("{name}/layer_norm"))?,
            up: self.linear(&format!("{name}/linear_0"), 4 * width, &[width])?,
            down: self.linear(&format!("{name}/linear_1"), width, &[4 * width])?,
        })
    }
}

/// How the two convolutions before the encoder look at their surroundings.
const TAPS: Conv1d = Conv1d { kernel: 3, stride: 1, padding: 1, dilation: 1 };
/// Tokens of the networks that know English alone; those of many languages have one more.
const OF_ENGLISH: usize = 51_864;
/// Features of one head, in every Whisper.
const HEAD: usize = 64;
