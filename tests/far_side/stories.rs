//! What is well-formed and comes at the wrong time, twice, to the wrong place, or against what came before. Each case
//! has a municipality of its own, whose query the hub has and does not answer by itself.

use sluse::domain::envelope::ReceiptOutcome;

use super::scene::{Case, Ends, Scene, receipt, refusal};
use crate::rig::until;

const NOTHING: &str = "nothing";
const MEND: &str =
    "has mended what the hub complains of, then `sluse retry` (the same query), or puts a new query into the outbox";
const DECIDE: &str = "finds out what is true from UDK, then `sluse approve` or `sluse refuse`";
const REFUSE: &str = "`sluse refuse`, and asks UDK for a fit reply";
const ASK_HUB: &str =
    "asks the operator of the hub, then `sluse approve` (it was rejected) or `sluse refuse` (it has it)";

const fn story(
    comes: &'static str,
    steps: &'static [fn(&Scene<'_>)],
    (count, state, words): (usize, &'static str, &'static str),
    person: &'static str,
) -> Case {
    Case { comes, steps, ends: Ends::Story(count, state, words), foreign: 0, person }
}

fn ask(scene: &Scene<'_>) {
    scene.ask();
}

fn success(scene: &Scene<'_>) {
    scene.success();
}

fn failure(scene: &Scene<'_>) {
    scene.failure();
}

/// Metadata as it was said before, for these bytes.
fn again(scene: &Scene<'_>, name: &str, bytes: &[u8]) {
    let mut metadata = scene.metadata(name, bytes.len() as u64);
    metadata.transfer = scene.exchange(0).arrivals[0].transfer;
    scene.put_with(name, bytes, &metadata.to_xml());
}

/// The reply to its first query, under two names, of one transfer or of two.
fn under_two_names(scene: &Scene<'_>, is_one_transfer: bool) {
    let delivery = scene.delivery(0);
    let bytes = scene.reply(delivery, 1);
    let names = [scene.reply_name(delivery), scene.reply_name(delivery + 5000)];
    let mut metadata = names.clone().map(|name| scene.metadata(&name, bytes.len() as u64));
    if is_one_transfer {
        metadata[1].transfer = metadata[0].transfer;
    }
    for (name, metadata) in names.iter().zip(metadata) {
        scene.put_with(name, &bytes, &metadata.to_xml());
    }
}

pub const RECEIPTS: &[Case] = &[
    story(
        "a receipt, then the reply",
        &[ask, success, |scene| {
            scene.until(1, "receipted");
            scene.answer(0);
        }],
        (1, "done", "it is done"),
        NOTHING,
    ),
    story(
        "the reply, then its receipt",
        &[
            ask,
            |scene| drop(scene.answer(0)),
            |scene| {
                scene.until(1, "done");
                scene.success();
            },
        ],
        (1, "done", "it is done"),
        NOTHING,
    ),
    story(
        "a receipt twice, with another transfer id",
        &[ask, success, |scene| {
            scene.until(1, "receipted");
            // One byte more, so that nobody has to wait until it is looked at again.
            let another = [receipt(scene.exchange(0).id, ReceiptOutcome::Success), b"\n".to_vec()].concat();
            scene.put(&scene.receipt_name(), &another);
            let read = || scene.ground.count_of(scene.municipality, "receipt_read");
            until("the second one to be read", || (read() == 2).then_some(()));
        }],
        (1, "receipted", "the reply comes"),
        NOTHING,
    ),
    story(
        "no receipt, and the time for it is over",
        &[ask],
        (1, "submitted", "OVERDUE: the hub's receipt comes"),
        "asks the operator of the hub whether it has the query; `sluse refuse` gives up the wait",
    ),
    story(
        "a receipt, and no reply when the time for it is over",
        &[ask, success],
        (1, "receipted", "OVERDUE: the reply comes"),
        "asks UDK why it does not answer; `sluse refuse` gives up the wait",
    ),
    Case {
        ends: Ends::NotTaken("by another sender"),
        ..story(
            "a receipt with our file's name and another exchange's id",
            &[ask, ask, |scene| scene.put_receipt(scene.exchange(1).id, refusal())],
            (2, "", ""),
            "asks the operator of the hub; ours is read when it takes that one's place",
        )
    },
    story("an error receipt", &[ask, failure], (1, "rejected", "find out why"), MEND),
    story(
        "an error receipt, then a success receipt",
        &[ask, failure, |scene| {
            scene.until(1, "rejected");
            scene.success();
        }],
        (1, "held", "an error receipt and a success receipt"),
        ASK_HUB,
    ),
    story(
        "a success receipt, then an error receipt",
        &[ask, success, |scene| {
            scene.until(1, "receipted");
            scene.failure();
        }],
        (1, "held", "an error receipt and a success receipt"),
        ASK_HUB,
    ),
    story(
        "a receipt that is a success and an error at once",
        &[ask, |scene| {
            let text =
                "<Receipt><Message>SUCCESS</Message></Receipt><ErrorMessage><ErrorCode>7</ErrorCode></ErrorMessage>";
            let (transfer, id) = (uuid::Uuid::new_v4(), scene.exchange(0).id);
            let ids = format!("<FileTransferUUID>{transfer}</FileTransferUUID><SendersFileId>{id}</SendersFileId>");
            scene.put(&scene.receipt_name(), format!("<TechnicalReceipt>{ids}{text}</TechnicalReceipt>").as_bytes());
        }],
        (1, "rejected", "find out why"),
        MEND,
    ),
];

pub const REPLIES: &[Case] = &[
    story(
        "metadata first, its reply later",
        &[
            ask,
            |scene| {
                let delivery = scene.delivery(0);
                let (name, bytes) = (scene.reply_name(delivery), scene.reply(delivery, 1));
                scene.put(&format!("{name}.metadata"), &scene.metadata(&name, bytes.len() as u64).to_xml());
            },
            |scene| {
                scene.until_shown("its data is not there");
                let delivery = scene.delivery(0);
                scene.put(&scene.reply_name(delivery), &scene.reply(delivery, 1));
            },
        ],
        (1, "done", "it is done"),
        NOTHING,
    ),
    story(
        "a reply first, its metadata later",
        &[
            ask,
            |scene| {
                let delivery = scene.delivery(0);
                scene.put(&scene.reply_name(delivery), &scene.reply(delivery, 1));
            },
            |scene| {
                scene.until_shown("its metadata is not there");
                let delivery = scene.delivery(0);
                let name = scene.reply_name(delivery);
                let size = scene.reply(delivery, 1).len() as u64;
                scene.put(&format!("{name}.metadata"), &scene.metadata(&name, size).to_xml());
            },
        ],
        (1, "done", "it is done"),
        NOTHING,
    ),
    story(
        "a reply that is cut short, then the whole one under the same name",
        &[
            ask,
            |scene| {
                let delivery = scene.delivery(0);
                let (name, bytes) = (scene.reply_name(delivery), scene.reply(delivery, 1));
                let metadata = scene.metadata(&name, bytes.len() as u64);
                scene.put_with(&name, &bytes[..bytes.len() / 2], &metadata.to_xml());
            },
            |scene| {
                scene.until_shown("its metadata says");
                scene.answer(0);
            },
        ],
        (1, "done", "it is done"),
        NOTHING,
    ),
    story(
        "the same reply once more: same transfer id, same bytes",
        &[
            ask,
            |scene| drop(scene.answer(0)),
            |scene| {
                scene.until(1, "done");
                let delivery = scene.delivery(0);
                again(scene, &scene.reply_name(delivery), &scene.reply(delivery, 1));
            },
        ],
        (1, "done", "it is done"),
        NOTHING,
    ),
    story(
        "other bytes under a transfer id that was used",
        &[
            ask,
            |scene| drop(scene.answer(0)),
            |scene| {
                scene.until(1, "done");
                let delivery = scene.delivery(0);
                again(scene, &scene.reply_name(delivery), &scene.reply(delivery, 2));
            },
        ],
        (2, "held", "the transfer id was used before"),
        DECIDE,
    ),
    story(
        "the same reply under two names, as one transfer",
        &[ask, |scene| under_two_names(scene, true)],
        (2, "held", "already has a reply"),
        DECIDE,
    ),
    story(
        "the same reply under two names, as two transfers",
        &[ask, |scene| under_two_names(scene, false)],
        (2, "held", "already has a reply"),
        DECIDE,
    ),
    story(
        "a reply with another municipality's agreements: two were swapped",
        &[ask, |scene| {
            let delivery = scene.delivery(0);
            let strange = scene.reply_of(scene.neighbour, delivery, 1);
            scene.deliver(&scene.reply_name(delivery), &strange);
        }],
        (1, "held", "unfit"),
        REFUSE,
    ),
    story(
        "an old reply once more, after a new one",
        &[
            ask,
            |scene| drop(scene.answer(0)),
            |scene| {
                scene.until(1, "done");
                scene.ask();
            },
            |scene| drop(scene.answer(1)),
            |scene| {
                scene.until(2, "done");
                scene.answer(0);
            },
        ],
        (3, "held", "already has a reply"),
        DECIDE,
    ),
    story(
        "a late reply to a query whose successor has its reply",
        &[
            ask,
            ask,
            |scene| {
                let delivery = scene.delivery(1);
                scene.deliver(&scene.reply_name(delivery), &scene.reply(delivery, 1));
            },
            |scene| {
                scene.until(2, "done");
                scene.answer(0);
            },
        ],
        (2, "held", "is older than"),
        DECIDE,
    ),
    story(
        "a reply that nobody asked for",
        &[|scene| {
            scene.deliver(&scene.reply_name(5001), &scene.reply(5001, 1));
        }],
        (1, "held", "nobody asked for this reply"),
        DECIDE,
    ),
    story(
        "a reply that does not echo its query's delivery number",
        &[ask, |scene| {
            scene.deliver(&scene.reply_name(5002), &scene.reply(5002, 1));
        }],
        (1, "held", "belongs to its query only by order"),
        DECIDE,
    ),
    story(
        "a reply to a query that the hub has rejected",
        &[ask, failure, |scene| {
            scene.until(1, "rejected");
            scene.answer(0);
        }],
        (2, "held", "nobody asked for this reply"),
        DECIDE,
    ),
];

/// The daemon is killed when the trigger is made, before that is known: the next one finds it.
pub const AFTER_DOUBT: &[Case] = &[
    story(
        "an error receipt after doubt whether the trigger was made",
        &[failure],
        (1, "held", "more than one trigger may have reached it"),
        ASK_HUB,
    ),
    story(
        "an error receipt after doubt, then a success receipt",
        &[failure, |scene| {
            scene.until(1, "held");
            scene.success();
        }],
        (1, "receipted", "the reply comes"),
        NOTHING,
    ),
];
