//! What the engine says of alarms and warnings, and its Danish; the same kind of patterns as in [`danish`](super::danish).

pub(super) const PATTERNS: &[(&str, &str)] = &[
    // Held, in doubt, late.
    ("a query", "en forespørgsel"),
    ("a receipt", "en kvittering"),
    ("a reply", "et svar"),
    ("look at it, and approve or refuse it", "se på det, og godkend eller afvis det"),
    ("whether the trigger of {t} was made is unknown: {t}", "om triggeren fra {} blev lavet, vides ikke: {}"),
    (
        "a receipt or a reply settles it; if none comes, ask the operator of the far side whether it has the query, and say \
         so by `sluse settle`",
        "en kvittering eller et svar afgør det; kommer ingen af dem, så spørg modpartens driftsansvarlige, om de har \
         forespørgslen, og sig det med `sluse settle`",
    ),
    ("the hub's receipt", "hubbens kvittering"),
    ("the reply", "svaret"),
    ("{t} for {t} has not come, {t}", "{} til {} er ikke kommet, {}"),
    ("and was expected by {}", "og var ventet inden {}"),
    ("and is expected by {}", "og ventes inden {}"),
    ("ask {t} why not", "spørg {} hvorfor"),
    ("the operator of the far side", "modpartens driftsansvarlige"),
    ("Udbetaling Danmark", "Udbetaling Danmark"),
    // The calendar.
    ("it was due by {}", "den skulle være sendt inden {}"),
    ("it is due by {}", "den skal være sendt inden {}"),
    (
        "the query of {t} for payment date {} is {t} and not sent, {t}",
        "forespørgslen fra {} for betalingsdatoen {} er {} og ikke sendt, {}",
    ),
    ("see what keeps it", "se, hvad der holder den"),
    (
        "no query of {} for payment date {} was sent, {t}",
        "ingen forespørgsel fra {} for betalingsdatoen {} er sendt, {}",
    ),
    (
        "put it into the outbox, or find out why the benefit system has not",
        "læg den i outbox, eller find ud af, hvorfor ydelsessystemet ikke har gjort det",
    ),
    (
        "the payment dates of [calendar] end on {}: no query is expected after that",
        "betalingsdatoerne i [calendar] slutter {}: derefter ventes ingen forespørgsel",
    ),
    (
        "put the next ones into the settings, and reload them (`systemctl reload sluse`)",
        "skriv de næste i indstillingerne, og indlæs dem igen (`systemctl reload sluse`)",
    ),
    // The far side.
    ("endpoint {}: {t}", "modpart {}: {}"),
    (
        "the server shows another host key than the settings have, and nothing was sent to it: found {}, pinned {}. Ask the \
         operator of the far side, by telephone, whether the found one is its new key; if so, it goes into host_keys beside \
         the old one",
        "serveren viser en anden værtsnøgle end indstillingernes, og intet blev sendt til den: fundet {}, kendt {}. Spørg \
         modpartens driftsansvarlige i telefonen, om den fundne er deres nye nøgle; er den det, skrives den i host_keys ved \
         siden af den gamle",
    ),
    ("no such file on the far side", "filen findes ikke hos modparten"),
    ("gave up: {}", "opgav: {}"),
    (
        "ask the operator of the far side; nothing is sent meanwhile",
        "spørg modpartens driftsansvarlige; imens sendes intet",
    ),
    (
        "ask the operator of the far side whether our key is known there",
        "spørg modpartens driftsansvarlige, om vores nøgle er kendt der",
    ),
    ("IN of endpoint {} could not be listed since {}: {t}", "IN hos modparten {} har ikke kunnet læses siden {}: {}"),
    ("IN of endpoint {} could not be listed since {}", "IN hos modparten {} har ikke kunnet læses siden {}"),
    (
        "find out whether the server or the way to it is down; Sluse tries again and again",
        "find ud af, om serveren eller vejen til den er nede; Sluse prøver igen og igen",
    ),
    ("the file {} in IN of endpoint {} cannot be taken: {t}", "filen {} i IN hos modparten {} kan ikke hentes: {}"),
    (
        "if it is a reply, ask Udbetaling Danmark to send it again",
        "er det et svar, så bed Udbetaling Danmark sende det igen",
    ),
    ("its metadata is not there", "dens metadata mangler"),
    ("its data is not there", "dens data mangler"),
    ("its metadata names another file", "dens metadata nævner en anden fil"),
    ("its metadata changed while it was fetched", "dens metadata blev ændret, mens den blev hentet"),
    ("its metadata says {} bytes, it has {}", "dens metadata siger {} byte, den har {}"),
    ("its metadata: {}", "dens metadata: {}"),
    ("it has {} bytes, expected at most {}", "den har {} byte, ventet højst {}"),
    (
        "its story is at its end, and it may not be removed there: {}",
        "dens sag er slut, og den må ikke fjernes dér: {}",
    ),
    (
        "it belongs to exchange {}, whose journal is not understood",
        "den hører til udveksling {}, hvis journal ikke forstås",
    ),
    ("it is for exchange {}, whose journal is not understood", "den er til udveksling {}, hvis journal ikke forstås"),
    ("mend what keeps it; Sluse tries again and again", "afhjælp det, der holder den; Sluse prøver igen og igen"),
    // What asked nothing.
    ("the hub rejected the query of {t}: {}", "hubben afviste forespørgslen fra {}: {}"),
    (
        "the latest file of {t} is no fit query: it was refused",
        "den seneste fil fra {} er ingen brugbar forespørgsel: den blev afvist her",
    ),
    ("it was refused", "den blev afvist her"),
    ("the latest file of {t} is no fit query: {}", "den seneste fil fra {} er ingen brugbar forespørgsel: {}"),
    (
        "find out why, then have it sent again (`sluse retry`), or put a new query into the outbox",
        "find ud af hvorfor, og send den igen (`sluse retry`), eller læg en ny forespørgsel i outbox",
    ),
    ("put a corrected query into the outbox", "læg en rettet forespørgsel i outbox"),
    // This machine.
    (
        "the journal of exchange {} cannot be followed, nothing is done for it: {}",
        "journalen for udveksling {} kan ikke følges, intet gøres for den: {}",
    ),
    (
        "call whoever looks after this installation; the other exchanges go on",
        "ring til dem, der passer denne installation; de andre udvekslinger fortsætter",
    ),
    ("no more files are claimed, they stay in the outbox: {}", "der tages ikke flere filer, de bliver i outbox: {}"),
    ("1 exchange cannot go on: {}", "1 udveksling kan ikke fortsætte: {}"),
    ("{} exchanges cannot go on: {}", "{} udvekslinger kan ikke fortsætte: {}"),
    ("1 file in IN cannot be fetched and stays there: {}", "1 fil i IN kan ikke hentes og bliver der: {}"),
    ("{} files in IN cannot be fetched and stay there: {}", "{} filer i IN kan ikke hentes og bliver der: {}"),
    (
        "make room on that disk, or mend it; nothing is lost, and it goes on by itself",
        "skaf plads på den disk, eller reparér den; intet er tabt, og det fortsætter af sig selv",
    ),
    (
        "the folder {} cannot be read, what lies there waits: {}",
        "mappen {} kan ikke læses, og det, der ligger i den, venter: {}",
    ),
    ("let the daemon's user read it", "lad tjenestens bruger læse den"),
    (
        "the journal has {} entries and its anchor is gone or empty: whether the store was put back from a backup is not \
         known",
        "journalen har {} poster, og dens anker er væk eller tomt: om databasen er lagt tilbage fra en sikkerhedskopi, vides \
         ikke",
    ),
    (
        "{t}: the store was put back from a backup or lost its end",
        "{}: databasen er lagt tilbage fra en sikkerhedskopi eller har mistet sin slutning",
    ),
    (
        "the journal is not the one that had entry {} of {} Danish time",
        "journalen er ikke den, der havde post {} fra {} dansk tid",
    ),
    ("the journal is empty, and had {} entries at {} Danish time", "journalen er tom og havde {} poster {} dansk tid"),
    (
        "the journal ends at entry {}, and had {} at {} Danish time",
        "journalen slutter ved post {} og havde {} poster {} dansk tid",
    ),
    ("stop the daemon and call `sluse recover`", "stop tjenesten, og kald `sluse recover`"),
    ("the anchor {} cannot be written: {}", "ankeret {} kan ikke skrives: {}"),
    (
        "mend it; until then a store that is put back from a backup would not be noticed",
        "afhjælp det; indtil da ville en database, der lægges tilbage fra en sikkerhedskopi, ikke blive opdaget",
    ),
    ("the engine has not turned since {}, nothing happens", "motoren har stået stille siden {}, og intet sker"),
    (
        "look into the log; if nothing moves, start the service anew: everything can be resumed",
        "se i loggen; hvis intet rører sig, så start tjenesten igen: alt kan genoptages",
    ),
    (
        "the unit {} has failed and is not started again: nothing happens by itself",
        "enheden {} er fejlet og bliver ikke startet igen: intet sker af sig selv",
    ),
    (
        "see why with `journalctl -u {} -n 50`, mend it, and `systemctl reset-failed {}; systemctl start {}`; everything can be \
         resumed",
        "se hvorfor med `journalctl -u {} -n 50`, afhjælp det, og `systemctl reset-failed {}; systemctl start {}`; alt kan \
         genoptages",
    ),
    // Who is told.
    ("the heartbeat does not get through: {t}", "hjerteslaget kommer ikke igennem: {}"),
    ("alarms do not get through by {}: {t}", "alarmer kommer ikke igennem ved {}: {}"),
    ("it answered with HTTP status {}", "den svarede med HTTP-status {}"),
    (
        "its certificate was issued by nobody whom this machine trusts: put the issuer's into /usr/local/share/ca-certificates \
         and run `update-ca-certificates`, or have the server send its whole chain",
        "dens certifikat er udstedt af nogen, som denne maskine ikke stoler på: læg udstederens i \
         /usr/local/share/ca-certificates, og kør `update-ca-certificates`, eller få serveren til at sende hele kæden",
    ),
    ("its certificate has expired", "dens certifikat er udløbet"),
    (
        "its certificate is not valid yet, or this machine's clock is wrong",
        "dens certifikat er ikke gyldigt endnu, eller denne maskines ur går forkert",
    ),
    (
        "its certificate is for another name than that in the address",
        "dens certifikat gælder et andet navn end adressens",
    ),
    (
        "its certificate was not signed by the issuer that it names",
        "dens certifikat er ikke underskrevet af den udsteder, det nævner",
    ),
    ("its certificate was revoked", "dens certifikat er trukket tilbage"),
    ("its certificate cannot be trusted: {}", "dens certifikat kan ikke bruges: {}"),
    ("{} ran longer than {} s, and was ended", "{} kørte længere end {} s og blev afbrudt"),
    ("{} ended with {}", "{} sluttede med {}"),
    (
        "mend the receiver, and try it by `sluse alarm test`; Sluse tries again and again",
        "afhjælp fejlen hos modtageren, og prøv den med `sluse alarm test`; Sluse prøver igen og igen",
    ),
    ("this is a test, nothing is wrong", "dette er en prøve, intet er galt"),
    ("you have been reached", "beskeden nåede frem"),
    // What has parts of its own at both ends comes last.
    ("{t}, nothing is sent", "{}, og intet sendes"),
    ("{t} of {t} is held: {t}", "{} fra {} holdes tilbage: {}"),
    ("{t} does not get on from {t}: {t}", "{} kommer ikke videre fra {}: {}"),
    ("{} (exchange {})", "{} (udveksling {})"),
];
