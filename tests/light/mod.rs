//! A small application in a folder, in as many versions as a test needs, and callers who stay in it.
//!
//! Key 1 asks the version's own table which version it is of, and goes to the block `own` or `foreign`; key 2
//! waits for an agent.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod callers;

use std::fs;
use std::path::{Path, PathBuf};

use super::site::root;

const FLOW: &str = r#"callflow: 1
id: light
title: Light VERSION
entry: start
imports: {services: services.yaml, prompts: prompts/}
vars:
  wish: {type: enum, of: [look, wait], class: public}
defaults:
  input: {first: 60s, between: 5s, total: 120s, tries: 2}
blocks:
  start:
    - answer:
    - menu: hello
      into: wish
      options:
        - {key: "1", value: look, goto: look}
        - {key: "2", value: wait, goto: wait}
      give_up: {goto: bye}
  look:
    - lookup: versions.now
      give: {wish: wish}
      timeout: 5s
      outcome:
        ok:
          decide:
            - {when: result.version == VERSION, goto: own}
            - otherwise: {goto: foreign}
        unavailable: {goto: foreign}
  own:
    - goto: start
  foreign:
    - goto: start
  wait:
    - queue: general
      max_wait: 2m
      outcome:
        joined: {goto: bye}
        timeout: {goto: bye}
        full: {goto: bye}
  bye:
    - hangup:
"#;

const SERVICES: &str = "services:
  versions:
    kind: table
    calls:
      now:
        table: data/versions.csv
        key: wish
        reply: {version: {class: public, type: number}}
";

/// The application's folder.
pub(crate) struct Light(PathBuf);

impl Light {
    /// Version 1 in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        for below in ["prompts", "data", "audio/en-GB"] {
            fs::create_dir_all(folder.join(below)).expect("a folder");
        }
        let light = Self(folder.to_owned());
        light.put("services.yaml", SERVICES);
        light.put("prompts/en-GB.yaml", "language: en-GB\nprompts:\n  hello: \"Hello.\"\n");
        fs::copy(root().join("audio/tones/beep.wav"), folder.join("audio/en-GB/hello.wav")).expect("a beep");
        light.write(1);
        light
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn put(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("a file of the application");
    }

    /// Makes it that version.
    pub(crate) fn write(&self, version: usize) {
        self.put("light.flow.yaml", &FLOW.replace("VERSION", &version.to_string()));
        self.put("data/versions.csv", &format!("wish,version\nlook,{version}\n"));
    }

    /// Spoils that version, each time in another way; returns what its refusal must name.
    pub(crate) fn spoil(&self, version: usize) -> &'static str {
        self.write(version);
        let flow = FLOW.replace("VERSION", &version.to_string());
        match version % 5 {
            0 => {
                self.put("light.flow.yaml", &flow[..flow.len() / 2]);
                "light.flow.yaml"
            }
            1 => {
                self.put("light.flow.yaml", &flow.replace("goto: own", "goto: owl"));
                "owl"
            }
            2 => {
                self.put("light.flow.yaml", &flow.replace("queue: general", "queue: nobody"));
                "nobody"
            }
            3 => {
                self.put("data/versions.csv", "version\n");
                "data/versions.csv"
            }
            _ => {
                self.put("light.flow.yaml", &flow.replace("menu: hello", "menu: bonjour"));
                "bonjour"
            }
        }
    }
}
