//! `sluse check --connect`: each endpoint of the settings tried once, on a connection of its own, also while the daemon
//! runs. It opens no store; nothing is left on the far side. Start with [`check_far`].

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::arrivals::{METADATA, RECEIPT};
use super::premises::far_side;
use super::recover::far::{TRIGGER, is_part};
use super::site::layouts;
use crate::config::{EndpointSettings, Settings, TriggerWay};
use crate::domain::identity::EndpointName;
use crate::domain::layout::Layout;
use crate::domain::municipality::MunicipalityCode;
use crate::durable::RealDisk;
use crate::transport::Listed;
use crate::transport::sftp::SftpEndpoint;
use crate::transport::sftp::probe::Findings;

/// What a check of one endpoint came to.
#[derive(Clone, Debug)]
pub struct FarCheck {
    pub endpoint: EndpointName,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub trigger: TriggerWay,
    /// The pinned fingerprints, as the settings have them.
    pub host_keys: Vec<String>,
    /// The key to log in with, by its public fingerprint; or why there is none.
    pub identity: Result<String, String>,
    pub found: Findings,
    /// Whether it was not at its end when its time was over.
    pub is_out_of_time: bool,
    /// So many seconds is the server's clock ahead of ours; negative: behind. None: it did not come to that.
    pub clock_ahead_seconds: Option<i64>,
    pub in_out: Pending,
    pub in_in: Pending,
}

/// Files that lie there, by their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Data, triggers and parts of triggers in OUT; receipts, replies and metadata in IN.
    pub ours: u64,
    pub foreign: u64,
}

/// Tries all endpoints side by side; each is given up after `within`.
pub async fn check_far(settings: &Settings, within: Duration) -> Vec<FarCheck> {
    let checks = settings.endpoints.iter().map(|(name, endpoint)| check_one(settings, name, endpoint, within));
    join_all(checks).await
}

async fn check_one(
    settings: &Settings,
    name: &EndpointName,
    endpoint: &EndpointSettings,
    within: Duration,
) -> FarCheck {
    let mut check = FarCheck {
        endpoint: name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        user: endpoint.user.to_string(),
        trigger: endpoint.trigger,
        host_keys: endpoint.host_keys.iter().map(|pin| pin.as_str().to_owned()).collect(),
        identity: Err(String::new()),
        found: Findings::default(),
        is_out_of_time: false,
        clock_ahead_seconds: None,
        in_out: Pending::default(),
        in_in: Pending::default(),
    };
    let far = match far_side(name, endpoint) {
        Ok(far) => far,
        Err(trouble) => return FarCheck { identity: Err(trouble.to_string()), ..check },
    };
    check.identity = Ok(far.identity.to_string());
    let began = Timestamp::now().as_second();
    let probed = tokio::time::timeout(within, SftpEndpoint::new(far).probe(&mut check.found)).await;
    let ended = Timestamp::now().as_second();
    check.is_out_of_time = probed.is_err();
    check.clock_ahead_seconds = check.found.written_at.map(|written| ahead(began, written, ended));
    let names = Names::of(settings, name);
    if let Some(Ok(listing)) = &check.found.out_listed {
        check.in_out = pending(&listing.files, listing.passed_over, |name| names.is_ours_in_out(name));
    }
    if let Some(Ok(listing)) = &check.found.in_listed {
        check.in_in = pending(&listing.files, listing.passed_over, |name| names.is_ours_in_in(name));
    }
    check
}

/// How far a clock is ahead that said `written` at some time between `began` and `ended` of ours; all in seconds, the
/// other one cut to whole ones.
fn ahead(began: i64, written: i64, ended: i64) -> i64 {
    match written {
        late if late > ended => late - ended,
        early if early < began - 1 => early - (began - 1),
        _ => 0,
    }
}

fn pending(files: &[Listed], passed_over: u64, is_ours: impl Fn(&str) -> bool) -> Pending {
    let ours = files.iter().filter(|file| is_ours(file.name.as_str())).count() as u64;
    Pending { ours, foreign: files.len() as u64 - ours + passed_over }
}

/// The names that files of the exchanges of one endpoint have.
struct Names {
    /// Query, reply, and for whom.
    of: Vec<(Layout, Layout, Vec<MunicipalityCode>)>,
}

impl Names {
    fn of(settings: &Settings, endpoint: &EndpointName) -> Names {
        let exchanges = settings.exchanges.values().filter(|exchange| exchange.endpoint == *endpoint);
        let of = exchanges.filter_map(|exchange| {
            // What is wrong with a layout is said by the check of the settings.
            let (query, reply) = layouts(&RealDisk, exchange.layouts.as_deref()).ok()?;
            Some((query, reply, exchange.municipalities.clone()))
        });
        Names { of: of.collect() }
    }

    fn is_ours_in_out(&self, name: &str) -> bool {
        is_part(name) || self.is_query(name.strip_suffix(TRIGGER).unwrap_or(name))
    }

    fn is_ours_in_in(&self, name: &str) -> bool {
        match name.strip_suffix(RECEIPT) {
            Some(about) => self.is_query(about),
            None => {
                let data = name.strip_suffix(METADATA).unwrap_or(name);
                self.of.iter().any(|(_, reply, codes)| is_one_of(reply, data, codes))
            }
        }
    }

    fn is_query(&self, name: &str) -> bool {
        self.of.iter().any(|(query, _, codes)| is_one_of(query, name, codes))
    }
}

fn is_one_of(layout: &Layout, name: &str, codes: &[MunicipalityCode]) -> bool {
    layout.file_name().read(name).is_some_and(|parts| codes.contains(&parts.municipality))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::sftp::probe::{PROBE, RENAMED};

    fn names() -> Names {
        let codes = vec!["0751".parse().unwrap()];
        Names { of: vec![(Layout::shipped_query(), Layout::shipped_reply(), codes)] }
    }

    #[test]
    fn the_probe_is_nobodys_transfer() {
        for probe in [PROBE, RENAMED] {
            for name in [probe.to_owned(), format!("{probe}{TRIGGER}"), format!("{probe}{RECEIPT}")] {
                assert!(!names().is_ours_in_out(&name) && !names().is_ours_in_in(&name), "{name}");
            }
            assert!([TRIGGER, RECEIPT, METADATA].iter().all(|ending| !probe.ends_with(ending)), "{probe}");
        }
    }

    #[test]
    fn what_lies_there_is_ours_by_its_name_and_its_municipality() {
        let (query, reply) = ("BETADM_FORESP_0751_20261201_0042.txt", "BETADM_SVAR_0751_20261201_0042.txt");
        let part = "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6.0badcafe.part";
        let strange = ["BETADM_FORESP_0101_20261201_0042.txt", "somebody.else", "BETADM_FORESP_0751.trigger"];
        for name in [query, &format!("{query}.trigger"), part] {
            assert!(names().is_ours_in_out(name), "{name}");
        }
        for name in [reply, &format!("{reply}.metadata"), &format!("{query}.sftpreceipt")] {
            assert!(names().is_ours_in_in(name), "{name}");
        }
        assert!(strange.iter().all(|name| !names().is_ours_in_out(name) && !names().is_ours_in_in(name)));
    }

    #[test]
    fn a_clock_is_ahead_or_behind_only_if_no_moment_of_the_check_explains_what_it_said() {
        assert_eq!([ahead(100, 99, 103), ahead(100, 103, 103)], [0, 0]);
        assert_eq!([ahead(100, 163, 103), ahead(100, 39, 103)], [60, -60]);
    }
}
