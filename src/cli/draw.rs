//! `countersign draw DIR`: an application as a picture.

#![expect(clippy::print_stdout, reason = "the picture is the command's output")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::diagnostic::render;
use countersign::draw::{Picture, mermaid, svg};
use countersign::driver::application::{self, ApplicationSource};
use countersign::flow;
use countersign::flow::document::Application;

/// What `draw` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The application's folder, such as flows/bank
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The kind of picture; the output's ending tells when absent
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write; standard output when absent
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The kinds of picture.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A picture for pages and READMEs, light and dark.
    Svg,
    /// Text that code hosts draw.
    Mermaid,
}

/// Draws.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(draw(&arguments))
}

fn draw(arguments: &Arguments) -> Result<(), String> {
    let picture = Picture::of(&application_in(&arguments.folder)?);
    let named = arguments.output.as_ref().and_then(|path| path.extension()?.to_str());
    let format = match (arguments.format, named) {
        (Some(format), _) => format,
        (None, Some("mmd" | "mermaid" | "md")) => Format::Mermaid,
        (None, _) => Format::Svg,
    };
    let text = match format {
        Format::Svg => svg(&picture),
        Format::Mermaid => mermaid(&picture),
    };
    match &arguments.output {
        None => print!("{text}"),
        Some(path) => std::fs::write(path, text).map_err(|error| {
            format!("cannot write {}: {error}\n  help: name a file in a folder that is there", path.display())
        })?,
    }
    Ok(())
}

/// An application without errors, whether or not it has its recordings.
pub(crate) fn application_in(folder: &Path) -> Result<Application, String> {
    let source = ApplicationSource::Folder(folder.to_owned());
    let files = application::open(&source).map_err(super::text)?;
    match flow::load(&WithoutAudio(files.as_ref())) {
        Ok((application, _)) => Ok(application),
        Err(found) => Err(format!("{} has errors\n{}", folder.display(), render(&found))),
    }
}

/// Files of which nobody asks whether the recordings are there.
struct WithoutAudio<'f>(&'f dyn flow::Files);

impl flow::Files for WithoutAudio<'_> {
    fn read(&self, path: &str) -> Result<String, flow::Unread> {
        self.0.read(path)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        self.0.list(folder)
    }

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        self.0.on_disk(path)
    }
}
