//! What is served, and by which policy.

use hyper::StatusCode;

use super::call::Call;
use super::shape::{shape, writes};
use crate::auth::{FactorId, FactorKind, FactorPolicy, LevelPolicy};
use crate::driver::os;
use crate::driver::trunks::{QuotaView, Trunks};
use crate::driver::versions::InUse;
use crate::driver::web::{Problem, Reply};

writes! {
    /// What is served.
    struct Engine {
        /// The program's version.
        version: String,
        /// How long it has run, in seconds.
        uptime_s: u64,
        /// Whether new calls are taken no more.
        draining: bool,
        /// Running calls.
        calls: u64,
        /// Calls that ended since the start.
        ended: u64,
        /// The application that new calls get.
        running: Application,
        /// The application that some of them get, on trial.
        canary: Option<Application>,
        /// The trunks.
        trunks: Vec<Trunk>,
    }

    /// A trunk's calls.
    struct Trunk {
        /// Its name.
        name: String,
        /// Those that it brings in.
        inward: CallsOneWay,
        /// Those that go out by it; `null` where none do.
        outward: Option<CallsOneWay>,
    }

    /// Calls of a trunk, one way.
    struct CallsOneWay {
        /// Running calls.
        calls: u64,
        /// As many may run; `null`: as many as come.
        most_calls: Option<u64>,
        /// As many may begin within a second; `null`: as many as come.
        per_second: Option<u64>,
        /// Calls refused since the start because as many ran.
        refused_by_calls: u64,
        /// Calls refused since the start because as many had begun.
        refused_by_per_second: u64,
    }

    /// An application.
    struct Application {
        /// Its id.
        id: String,
        /// Its title.
        title: String,
        /// The hash of its files.
        hash: String,
    }

    /// The policy in use.
    struct PolicyInUse {
        /// The hash of the application that it belongs to.
        application: String,
        /// The factors in use.
        factors: Vec<Factor>,
        /// The levels, lowest first.
        levels: Vec<Level>,
        /// The limits on failures.
        lockout: Lockout,
    }

    /// How a factor is used.
    struct Factor {
        /// The factor.
        factor: String,
        /// What kind of proof it is.
        kind: String,
        /// Whether it counts at the lowest level only.
        weak: bool,
        /// The fewest digits of a response.
        digits_min: u64,
        /// The most digits of a response.
        digits_max: u64,
    }

    /// What a level needs.
    struct Level {
        /// The level.
        level: String,
        /// How many factors.
        factors: u64,
        /// Whether each is of another kind.
        different_kinds: bool,
        /// Factors that are not enough by themselves.
        not_only: Vec<String>,
        /// No proof may be older than this many seconds.
        max_age_s: Option<u64>,
    }

    /// Limits on failures.
    struct Lockout {
        /// In one call.
        per_call: u64,
        /// Of one subject within the time, until it is locked.
        per_subject: u64,
        /// That time, in seconds.
        within_s: u64,
        /// How long the first lock lasts, in seconds.
        lock_s: u64,
        /// Failures in a row of one factor until it must be enrolled again.
        hard_stop: u64,
    }
}

pub(super) fn show(call: &Call<'_>) -> Result<Reply, Problem> {
    let versions = call.versions;
    let application = |version: &InUse| {
        let name = version.name();
        Application { id: name.id, title: name.title, hash: name.hash.to_string() }
    };
    let engine = Engine {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: os::now().saturating_duration_since(versions.listens().1).as_secs(),
        draining: versions.draining().is_some(),
        calls: versions.calls(),
        ended: versions.ended(),
        running: application(&versions.running()),
        canary: versions.canary().map(|(version, _)| application(&version)),
        trunks: trunks(versions.trunks()),
    };
    Ok(Reply::json(StatusCode::OK, &engine))
}

fn trunks(trunks: &Trunks) -> Vec<Trunk> {
    let outward = trunks.view(os::now());
    let by = |name: &str| outward.iter().find(|trunk| trunk.name == name).map(|trunk| one_way(&trunk.calls));
    let inward = trunks.inward().into_iter();
    inward.map(|of| Trunk { inward: one_way(&of.calls), outward: by(&of.name), name: of.name }).collect()
}

fn one_way(calls: &QuotaView) -> CallsOneWay {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    CallsOneWay {
        calls: count(calls.calls),
        most_calls: calls.most_calls.map(count),
        per_second: calls.per_second.map(count),
        refused_by_calls: calls.refused_by_calls,
        refused_by_per_second: calls.refused_by_per_second,
    }
}

/// What kind of proof a factor is.
pub(super) fn kind(factor: FactorId) -> String {
    match factor.kind() {
        FactorKind::Knowledge => "knowledge",
        FactorKind::Possession => "possession",
        FactorKind::Inherence => "inherence",
    }
    .to_owned()
}

pub(super) fn policy(call: &Call<'_>) -> Result<Reply, Problem> {
    let policy = call.vault.policy();
    let factor = |factor: &FactorPolicy| Factor {
        factor: factor.factor.to_string(),
        kind: kind(factor.factor),
        weak: factor.weak,
        digits_min: (*factor.digits.start()).into(),
        digits_max: (*factor.digits.end()).into(),
    };
    let level = |level: &LevelPolicy| Level {
        level: level.name.to_string(),
        factors: level.factors.into(),
        different_kinds: level.different_kinds,
        not_only: level.not_only.iter().map(ToString::to_string).collect(),
        max_age_s: level.max_age.map(|age| age.as_secs()),
    };
    let limits = &policy.lockout;
    let told = PolicyInUse {
        application: call.versions.running().loaded.hash.to_string(),
        factors: policy.factors.iter().map(factor).collect(),
        levels: policy.levels.iter().map(level).collect(),
        lockout: Lockout {
            per_call: limits.per_call.into(),
            per_subject: limits.per_subject.failures.into(),
            within_s: limits.per_subject.within.as_secs(),
            lock_s: limits.per_subject.lock.as_secs(),
            hard_stop: limits.hard_stop.into(),
        },
    };
    Ok(Reply::json(StatusCode::OK, &told))
}
