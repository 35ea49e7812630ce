//! `countersign schema`: JSON Schemas for editors, and the manual page of the steps.

#![expect(clippy::print_stdout, reason = "the schema is the command's output")]

use std::process::ExitCode;

use countersign::driver::web::api;
use countersign::flow::schema::{self, Document};
use countersign::flow::step::manual;
use countersign::scenario;

/// What `schema` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Of which file
    #[arg(value_enum, default_value_t = Of::Flow)]
    of: Of,
    /// Print the manual page of the steps instead
    #[arg(long)]
    manual: bool,
}

/// The files that have a schema.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// *.flow.yaml
    Flow,
    /// policy.yaml
    Policy,
    /// services.yaml
    Services,
    /// calendars.yaml
    Calendars,
    /// prompts/LANGUAGE.yaml
    Prompts,
    /// tests/*.flow-test.yaml
    Test,
    /// The API over HTTP, in OpenAPI 3.1
    Api,
}

/// Prints.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    if arguments.manual {
        print!("{}", manual());
        return ExitCode::SUCCESS;
    }
    let schema = match arguments.of {
        Of::Flow => schema::schema(Document::Flow),
        Of::Policy => schema::schema(Document::Policy),
        Of::Services => schema::schema(Document::Services),
        Of::Calendars => schema::schema(Document::Calendars),
        Of::Prompts => schema::schema(Document::Prompts),
        Of::Test => scenario::schema(),
        Of::Api => api::describe(),
    };
    println!("{schema:#}");
    ExitCode::SUCCESS
}
