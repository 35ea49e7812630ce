//! `countersign voice`: knows customers by their voices, and says how well.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::auth::FactorId;
use countersign::driver::os;
use countersign::driver::vault::{Consent, Known};
use countersign::driver::voices::{self, Folder};
use countersign::voice::print::Model;
use countersign::voice::print::calibration::{Calibration, Likeness, Line};
use countersign::voice::print::compare::Heard;
use countersign::voice::print::enrolment::{self, Utterance};
use countersign::voice::print::figures::{Figure, Figures};
use serde_json::json;

/// Knows customers by their voices, and says how well.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Knows a customer by their voice from now on: three recordings or more of them, each said anew, after consent.
    Enrol {
        /// The customer.
        subject: String,
        /// Recordings (WAV, MP3, Ogg, FLAC) of this customer alone.
        #[arg(required = true)]
        recordings: Vec<PathBuf>,
        /// What the customer was told and agreed to, or where that is written. Without consent no voice is kept.
        #[arg(long, value_name = "TEXT")]
        consent: String,
        /// The report of the calibration; without it, the one in the data folder.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[command(flatten)]
        source: Source,
    },
    /// Compares recordings with the voice that a customer is known by; ends with 1 when it is not the same.
    Verify {
        /// The customer.
        subject: String,
        /// One recording or more of one caller: more are surer.
        #[arg(required = true)]
        recordings: Vec<PathBuf>,
        /// Of how many other speakers one may be accepted, in percent.
        #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
        false_accept: f64,
        /// The report of the calibration; without it, the one in the data folder.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[command(flatten)]
        source: Source,
    },
    /// The voices of people who have deceived before.
    Fraudster {
        #[command(subcommand)]
        command: super::fraudsters::Command,
    },
    /// Takes the voice that a customer is known by away.
    Forget {
        /// The customer.
        subject: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Learns what scores mean from recordings of your own callers, and writes a report; no threshold comes from elsewhere.
    Calibrate {
        /// A folder with `enrol/NAME.wav` (or several in `enrol/NAME/`), and `test/NAME_1.wav` and so on of 20 speakers or more.
        folder: PathBuf,
        /// The folders of what was said at other times; several may be named.
        #[arg(long = "test", value_name = "NAME", default_value = "test")]
        tests: Vec<String>,
        /// Where the report is written; without it, in the data folder.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[command(flatten)]
        source: Source,
    },
    /// Measures how well speakers are told apart, by a list of trials.
    Eval {
        /// A folder as `calibrate` takes it.
        folder: PathBuf,
        /// Lines such as `NAME FILE.wav 1` for the right speaker, with 0 for another.
        #[arg(long, value_name = "FILE")]
        trials: PathBuf,
        /// The folder of what was said at other times.
        #[arg(long, value_name = "NAME", default_value = "test")]
        test: String,
        /// So many utterances at a time: each file with those that follow it of the same speaker.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        utterances: u8,
        /// Measure with a calibration's report what its thresholds come to here.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        source: Source,
    },
}

/// Where the model is.
#[derive(clap::Args)]
pub(crate) struct Source {
    /// The model's file; without it, the one in the data folder.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The data folder.
    #[arg(long, default_value = "data")]
    pub(super) data: PathBuf,
}

impl Source {
    pub(super) fn model(&self) -> Result<Model, String> {
        let read = match &self.model {
            Some(path) => voices::model(path),
            None => voices::installed(&self.data),
        };
        read.map_err(super::text)
    }

    fn report(&self, named: Option<PathBuf>) -> PathBuf {
        named.unwrap_or_else(|| self.data.join("voice/calibration.json"))
    }
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::Enrol { subject, recordings, consent, report, source } => {
            enrol(&subject, &recordings, consent, &source.report(report), &source)
        }
        Command::Verify { subject, recordings, false_accept, report, source } => {
            match verify(&subject, &recordings, false_accept / 100.0, &source.report(report), &source) {
                Ok(true) => Ok(()),
                Ok(false) => return ExitCode::FAILURE,
                Err(why) => Err(why),
            }
        }
        Command::Fraudster { command } => super::fraudsters::run(command),
        Command::Forget { subject, data } => forget(&subject, &data),
        Command::Calibrate { folder, tests, report, source } => {
            calibrate(&folder, &tests, &source.report(report), &source)
        }
        Command::Eval { folder, trials, test, utterances, report, json, source } => {
            let asked = Asked { folder, trials, test, utterances: utterances.into(), report, json };
            eval(&asked, &source)
        }
    })
}

fn enrol(
    id: &str,
    recordings: &[PathBuf],
    notice: String,
    report: &Path,
    source: &Source,
) -> Result<(), String> {
    let vault = super::existing(&source.data)?;
    let now = os::unix_now();
    let model = source.model()?;
    let report = voices::report(report, &model).map_err(super::text)?;
    let utterances = utterances(&model, recordings)?;
    let heard = enrolment::enrol(&utterances, &report).map_err(|refusal| {
        let files: Vec<String> =
            (1..).zip(recordings).map(|(n, path): (usize, _)| format!("  {n} {}", path.display())).collect();
        format!("{refusal}\n{}", files.join("\n"))
    })?;
    let known = Known {
        model: model.identity().to_owned(),
        fingerprints: utterances.into_iter().map(|utterance| utterance.fingerprint).collect(),
        consent: Consent { notice, at: now.0 },
        heard,
    };
    vault.enrol_voice(now, id, &known).map_err(super::text)?;
    println!("{id} is known by {:.1} seconds of {} recordings", known.heard.seconds, recordings.len());
    Ok(())
}

/// All recordings, as long as they are not more than an enrolment takes.
pub(super) fn utterances(model: &Model, recordings: &[PathBuf]) -> Result<Vec<Utterance>, String> {
    if recordings.len() > enrolment::MOST {
        return Err(format!("{} recordings are more than {}", recordings.len(), enrolment::MOST));
    }
    recordings.iter().map(|path| voices::utterance(model, path).map_err(super::text)).collect()
}

/// Whether it is the same voice.
fn verify(
    id: &str,
    recordings: &[PathBuf],
    rate: f64,
    report: &Path,
    source: &Source,
) -> Result<bool, String> {
    let vault = super::existing(&source.data)?;
    let model = source.model()?;
    let report = voices::report(report, &model).map_err(super::text)?;
    let line = report.line(recordings.len()).ok_or("the report knows no thresholds")?;
    line.threshold(rate).map_err(super::text)?;
    let known = vault.known_voice(id).map_err(super::text)?;
    let known = known
        .ok_or_else(|| format!("{id} is not known by voice\n  help: countersign voice enrol {id} FILES"))?;
    if known.model != model.identity() {
        return Err(format!(
            "{id} was enrolled with another model, {}: enrol the customer again",
            known.model
        ));
    }
    let utterances = utterances(&model, recordings)?;
    for (path, utterance) in recordings.iter().zip(&utterances) {
        if known.fingerprints.iter().any(|kept| kept.is_copy(&utterance.fingerprint)) {
            println!("copy: {} is a recording that {id} was enrolled with, or a copy of it", path.display());
            return Ok(false);
        }
    }
    let heard = Heard::together(utterances.iter().map(|utterance| &utterance.heard)).ok_or("no voice")?;
    let score = report.common.score(&known.heard.voice, &heard.voice);
    let likeness = line.likeness(score, rate).map_err(super::text)?;
    let word = match likeness {
        Likeness::Same => "same",
        Likeness::Unsure => "unsure: another utterance would tell",
        Likeness::Different => "different",
    };
    println!(
        "{word}\n  score {score:.3}, where {} of other speakers reach {:.3}; {:.1} seconds heard\n  \
         logarithm of the likelihood ratio {:.2}",
        percent(rate),
        line.threshold(rate).map_err(super::text)?,
        heard.seconds,
        line.likelihood_ratio(score)
    );
    Ok(likeness == Likeness::Same)
}

fn forget(id: &str, data: &Path) -> Result<(), String> {
    let vault = super::existing(data)?;
    if vault.remove_factor(os::unix_now(), id, FactorId::Voiceprint).map_err(super::text)? {
        println!("{id} is not known by voice any more");
        return Ok(());
    }
    Err(format!("{id} is not known by voice"))
}

/// How far it is, where somebody looks.
fn progress(done: usize, all: usize) {
    if std::io::stderr().is_terminal() && (done.is_multiple_of(10) || done + 1 == all) {
        eprint!("\rlistening: {} of {all}{}", done + 1, if done + 1 == all { "\n" } else { "" });
    }
}

fn calibrate(folder: &Path, tests: &[String], report: &Path, source: &Source) -> Result<(), String> {
    let model = source.model()?;
    let heard = Folder::listen(&model, folder, tests, &mut progress).map_err(super::text)?;
    let learned = Calibration::learn(model.identity(), &heard.speakers()).map_err(super::text)?;
    voices::keep_report(report, &learned).map_err(super::text)?;
    println!("{} speakers; the model {}", learned.speakers, learned.model);
    for line in &learned.lines {
        print!("{}", calibrated(line));
    }
    println!("the report is in {}", report.display());
    println!(
        "It holds for callers, lines and handsets like these. Where yours differ, make recordings of your own and\n\
         calibrate again: thresholds of other callers accept more than they say, or refuse more."
    );
    Ok(())
}

/// What a calibration found, for people.
fn calibrated(line: &Line) -> String {
    let mut text = format!(
        "\n{} of the same speaker, {} of others, {} at a time\n  accepts of      from       on speakers left out:\n  \
         other speakers  the score  accepted  right ones refused\n",
        line.same,
        line.different,
        if line.utterances == 1 {
            "one utterance".to_owned()
        } else {
            format!("{} utterances", line.utterances)
        },
    );
    for (threshold, check) in line.thresholds.iter().zip(&line.checked) {
        text += &format!(
            "  {:<14}  {:>9.3}  {:>8}  {:>8}\n",
            percent(threshold.false_accept),
            threshold.score,
            percent(check.false_accept),
            percent(check.false_reject)
        );
    }
    text
}

struct Asked {
    folder: PathBuf,
    trials: PathBuf,
    test: String,
    utterances: usize,
    report: Option<PathBuf>,
    json: bool,
}

fn eval(asked: &Asked, source: &Source) -> Result<(), String> {
    let model = source.model()?;
    let report = asked.report.as_ref().map(|path| voices::report(path, &model)).transpose();
    let report = report.map_err(super::text)?;
    let tests = [asked.test.clone()];
    let heard = Folder::listen(&model, &asked.folder, &tests, &mut progress).map_err(super::text)?;
    let common = report.as_ref().map(|report| &report.common);
    let trials = voices::trials(&asked.trials, &heard, asked.utterances, common).map_err(super::text)?;
    let figures =
        Figures::of(&trials).ok_or("the list has no trial of the right speaker, or none of another")?;
    let line = report.as_ref().and_then(|report| report.line(asked.utterances));
    let thresholds: Vec<_> = line
        .into_iter()
        .flat_map(|line| &line.thresholds)
        .map(|threshold| {
            let share = |same: bool| {
                let of: Vec<_> = trials.iter().filter(|one| (one.enrolled == one.speaker) == same).collect();
                let wrong = of.iter().filter(|one| (one.score >= threshold.score) != same).count();
                share(wrong, of.len())
            };
            (threshold.false_accept, threshold.score, share(false), share(true))
        })
        .collect();
    if asked.json {
        let of = |&(wanted, score, accepted, refused): &(f64, f32, f64, f64)| json!({"wanted_far": wanted, "threshold": score, "far": accepted, "frr": refused});
        let mut object = json!({
            "model": model.identity(),
            "speakers": heard.enrolled.len(),
            "utterances": asked.utterances,
            "interval": "95 %, 1,000 draws of the speakers",
            "mean": if report.is_some() { "report" } else { "enrolled speakers without the two of the trial" },
            "calibrated": thresholds.iter().map(of).collect::<Vec<_>>(),
        });
        if let (Some(object), Ok(serde_json::Value::Object(figures))) =
            (object.as_object_mut(), serde_json::to_value(&figures))
        {
            object.extend(figures);
        }
        println!("{object:#}");
        return Ok(());
    }
    println!(
        "{} speakers, {} trials of the right one, {} of others",
        heard.enrolled.len(),
        figures.same,
        figures.different
    );
    println!("                                        of all    95 % of draws of the speakers");
    for (what, figure) in [
        ("equal error rate", &figures.eer),
        ("right ones refused, 1 % others accepted", &figures.frr_at_far_1_percent),
        ("right ones refused, 0.1 % accepted", &figures.frr_at_far_0_1_percent),
    ] {
        println!(
            "{what:<39} {:>7}    {} to {}",
            percent(figure.value),
            percent(figure.low),
            percent(figure.high)
        );
    }
    let Figure { value, low, high } = figures.min_dcf;
    println!("{:<39} {value:>7.3}    {low:.3} to {high:.3}", "least detection cost (1 in 100 is right)");
    for (wanted, score, accepted, refused) in thresholds {
        println!(
            "the report's threshold for {}: {score:.3}; here it accepts {} of others and refuses {} of right ones",
            percent(wanted),
            percent(accepted),
            percent(refused)
        );
    }
    Ok(())
}

fn share(part: usize, all: usize) -> f64 {
    let float = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    float(part) / float(all.max(1))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.1 { format!("{percent:.3} %") } else { format!("{percent:.2} %") }
}
