//! Ten incidents, made with real processes, and what a person is told who knows nothing of them: `sluse status`, and at most
//! one command more, which status names. They are the manual's (`docs/incidents.md`), as this run has seen them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

#[path = "incidents/page.rs"]
mod page;
#[path = "incidents/scenes.rs"]
mod scenes;

use std::sync::Mutex;

use page::{Told, stable};
use rig::{in_each, record};
use scenes::{INCIDENTS, Scene, Second};

/// A command line's part behind the program's name, as a person would type it.
fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

/// What the command prints, on both streams.
fn said(scene: &Scene, command: &str) -> String {
    let output = scene.ground.command(&words(command));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn of_ten_incidents_each_is_understood_by_status_and_one_command_that_it_names() {
    let numbers: Vec<usize> = (0..INCIDENTS.len()).collect();
    let told = Mutex::new(Vec::new());
    in_each(&numbers, |number| {
        let incident = &INCIDENTS[number];
        let scene = (incident.make)();

        // When a person looks
        let status = said(&scene, "status");
        let mut transcript = vec![("sluse status".to_owned(), stable(&scene, &status))];
        let second = match incident.second {
            Second::None => None,
            Second::Named(command) => Some(command),
        };
        if let Some(command) = second {
            let line = status.lines().find_map(|line| line.trim().strip_suffix(command));
            assert!(
                line.is_some_and(|line| line.starts_with("sluse ") || line.contains(": sluse ")),
                "status does not name {command}:\n{status}"
            );
            transcript.push((format!("sluse {command}"), stable(&scene, &said(&scene, command))));
        }

        // Then cause and next step have been told
        let all = transcript.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in incident.tells {
            assert!(flat.contains(words), "{}: nothing is said of {words:?}:\n{all}", incident.title);
        }
        // What could not even be taken has come to nothing yet; that it does when there is room is shown by tests/disk.
        if scene.ground.book().all().next().is_some() {
            record(&scene.ground.came_of(incident.chapter, incident.fault));
        }
        told.lock().unwrap().push(Told { number, incident, transcript });
    });

    // And all of it stands in the manual
    let mut told = told.into_inner().unwrap();
    told.sort_by_key(|told| told.number);
    page::assert_is_the_manuals(&told);
}
