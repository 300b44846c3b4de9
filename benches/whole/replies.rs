//! Long replies on a disk, by the shipped layout, about people who do not exist; written as they are made, so that no
//! length of them needs memory. Start with [`ReplyFile::write`].

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::civil::date;
use sha2::{Digest, Sha256};
use sluse::domain::identity::{ContentHash, DeliveryNumber};
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::reply::{ReplyHead, write_reply};
use sluse::durable::Stream;
use sluse::hub::book::Book;

/// Weights of the check digit that a real number would have.
const WEIGHTS: [u64; 10] = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1];

/// What a reply holds beside what every one of the same length holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    First,
    /// Of each hundred agreements one has another amount, one has ended, and one is new.
    ThreePercentChanged,
}

/// In which order the agreements stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    ByNumber,
    None,
}

/// A reply as it lies in an archive.
#[derive(Clone, Debug)]
pub struct ReplyFile {
    pub path: PathBuf,
    pub municipality: MunicipalityCode,
    pub hash: ContentHash,
    pub bytes: u64,
}

impl ReplyFile {
    pub fn write(path: &Path, agreements: u64, content: Content, order: Order) -> ReplyFile {
        let municipality = municipality();
        let [start, detail, end] = template(municipality);
        let file = BufWriter::new(File::create(path).expect("the folder is ours"));
        let mut file = Hashing { file, digest: Sha256::new(), bytes: 0 };
        file.put(&start);
        let (mut record, mut sum) = (detail, 0);
        for place in 0..agreements {
            let serial = match order {
                Order::ByNumber => place,
                // A step that has no divisor in common with any power of ten comes to every number once.
                Order::None => place * 7_368_787 % agreements,
            };
            sum += put_agreement(&mut record, serial, agreements, content);
            file.put(&record);
        }
        let mut last = end;
        last[6..14].copy_from_slice(format!("{agreements:08}").as_bytes());
        last[14..30].copy_from_slice(format!("+{sum:015}").as_bytes());
        file.put(&last);
        let (hash, bytes) = file.finish();
        ReplyFile { path: path.to_owned(), municipality, hash, bytes }
    }

    /// One that was written before, by another process.
    pub fn find(path: &Path) -> ReplyFile {
        let mut stream = Stream::digest_only();
        let bytes = io::copy(&mut File::open(path).expect("it was written"), &mut stream).expect("it can be read");
        let hash = ContentHash::new(stream.digest());
        ReplyFile { path: path.to_owned(), municipality: municipality(), hash, bytes }
    }
}

fn municipality() -> MunicipalityCode {
    "0751".parse().expect("a code of the table")
}

/// Start, one agreement, end, as the layout has them.
fn template(municipality: MunicipalityCode) -> [Vec<u8>; 3] {
    let head = ReplyHead { municipality, date: date(2026, 12, 1), delivery: Some(DeliveryNumber(1)) };
    let created = date(2026, 12, 1).at(6, 0, 0, 0);
    let one = Book { seed: 2530, agreements: 1 }.at(municipality, 1);
    let bytes = write_reply(&Layout::shipped_reply(), &head, created, &one).expect("the shipped layout can say this");
    let records: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    records.try_into().expect("three records")
}

/// Writes what tells this agreement from the others over the template. Returns its amount in øre.
fn put_agreement(record: &mut [u8], serial: u64, agreements: u64, content: Content) -> u64 {
    let is_other = content == Content::ThreePercentChanged;
    let number = match serial % 100 {
        // The one with the old number is not in this reply: it has ended.
        7 if is_other => agreements + serial,
        _ => serial,
    };
    let dice = mixed(number);
    let amount = 160_300 * (1 + dice % 4) + if is_other && serial % 100 == 42 { 5_000 } else { 0 };
    record[6..16].copy_from_slice(format!("{:010}", nobody(dice)).as_bytes());
    record[16..28].copy_from_slice(format!("0751{number:08}").as_bytes());
    record[28..40].copy_from_slice(format!("S-20{:02}-{:05}", 19 + dice % 7, dice % 100_000).as_bytes());
    record[40..48].copy_from_slice(format!("20{:02}{:02}01", 19 + dice % 7, 1 + dice / 7 % 12).as_bytes());
    let ends = if dice.is_multiple_of(5) { format!("20{:02}1231", 28 + dice % 5) } else { "00000000".to_owned() };
    record[48..56].copy_from_slice(ends.as_bytes());
    record[56..68].copy_from_slice(format!("+{amount:011}").as_bytes());
    amount
}

/// A CPR number that nobody has: a day that exists, with a wrong check digit.
fn nobody(dice: u64) -> u64 {
    let (day, month, year) = (2 + dice % 27, 1 + dice / 27 % 12, 55 + dice / 324 % 45);
    let number = ((day * 100 + month) * 100 + year) * 10_000 + dice / 14_580 % 4_000;
    let digits = (0..10).map(|place| number / 10_u64.pow(9 - place) % 10);
    let is_right = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum::<u64>().is_multiple_of(11);
    match is_right {
        true if number % 10 == 9 => number - 9,
        true => number + 1,
        false => number,
    }
}

fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 27)
}

/// A file that is hashed and counted as it is written.
struct Hashing {
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Hashing {
    fn put(&mut self, record: &[u8]) {
        self.digest.update(record);
        self.bytes += record.len() as u64;
        self.file.write_all(record).expect("there is room");
    }

    fn finish(mut self) -> (ContentHash, u64) {
        self.file.flush().expect("there is room");
        (ContentHash::new(self.digest.finalize().into()), self.bytes)
    }
}
