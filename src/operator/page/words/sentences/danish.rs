//! English patterns of the engine and what they are in Danish, each with as many places. `{}` is a name or a number,
//! `{t}` in the English one a sentence that has its own pattern. The first that fits is taken.

pub(super) const PATTERNS: &[(&str, &str)] = &[
    // States.
    ("no query yet", "ingen forespørgsel endnu"),
    ("accepted", "taget imod"),
    ("uploaded", "lagt op"),
    ("submitting", "afsendes"),
    ("in doubt", "i tvivl"),
    ("submitted", "afsendt"),
    ("receipted", "kvitteret"),
    ("replied", "besvaret"),
    ("held", "holdt tilbage"),
    ("applied", "indført"),
    ("handed over", "udleveret"),
    ("done", "færdig"),
    ("refused", "afvist her"),
    ("withdrawn", "trukket tilbage"),
    ("rejected", "afvist af hub"),
    ("given up", "opgivet"),
    // What comes next.
    ("a query is put into the outbox", "en forespørgsel lægges i outbox"),
    ("nothing is taken until the store is recovered", "intet tages, før databasen er genoprettet"),
    ("the data is uploaded", "data lægges op"),
    (
        "a receipt or a reply proves that it was sent, or a person approves, refuses or settles it",
        "en kvittering eller et svar viser, at den blev sendt, eller et menneske godkender, afviser eller afgør det",
    ),
    ("a person approves or refuses it", "et menneske godkender eller afviser den"),
    ("the trigger is written", "triggeren skrives"),
    ("the trigger is made visible", "triggeren gøres synlig"),
    ("Sluse finds out whether the trigger was made", "Sluse finder ud af, om triggeren blev lavet"),
    (
        "Sluse finds out whether the trigger was made, as soon as the far side answers",
        "Sluse finder ud af, om triggeren blev lavet, så snart modparten svarer",
    ),
    (
        "a receipt, a reply or a person (`sluse settle`) says whether the trigger was made",
        "en kvittering, et svar eller et menneske (`sluse settle`) siger, om triggeren blev lavet",
    ),
    ("the hub's receipt comes", "hubbens kvittering kommer"),
    ("the reply comes", "svaret kommer"),
    (
        "a person approves (it was rejected) or refuses (the hub has it all the same)",
        "et menneske godkender (den blev afvist) eller afviser (hubben har den alligevel)",
    ),
    ("the reply is compared with the register", "svaret sammenlignes med registret"),
    ("a person approves or refuses the reply", "et menneske godkender eller afviser svaret"),
    (
        "UDK sends a fit reply, or a person refuses this one",
        "UDK sender et brugbart svar, eller et menneske afviser dette",
    ),
    ("reply and change list are put into the inbox", "svar og ændringsliste lægges i inbox"),
    (
        "the command of the settings runs, the far side is tidied",
        "indstillingernes kommando kører, og der ryddes op hos modparten",
    ),
    ("the far side is tidied", "der ryddes op hos modparten"),
    ("the far side is tidied, nothing else: {t}", "der ryddes op hos modparten, ellers intet: {}"),
    ("nothing, it is done", "intet, den er færdig"),
    ("the file is put into refused/", "filen lægges i refused/"),
    ("nothing, it was refused", "intet, den blev afvist"),
    (
        "what lies in OUT is taken out, and the file is put into refused/",
        "det, der ligger i OUT, tages ud, og filen lægges i refused/",
    ),
    ("nothing, it was withdrawn", "intet, den blev trukket tilbage"),
    (
        "nothing by itself; find out why the hub rejected it, then have it sent again (`sluse retry`), or put a new query \
         into the outbox",
        "intet af sig selv; find ud af, hvorfor hubben afviste den, og send den igen (`sluse retry`), eller læg en ny \
         forespørgsel i outbox",
    ),
    ("nothing; put a corrected query into the outbox", "intet; læg en rettet forespørgsel i outbox"),
    ("nothing: it was sent again as exchange {}", "intet: den blev sendt igen som udveksling {}"),
    ("nothing by itself: its journal cannot be followed", "intet af sig selv: dens journal kan ikke følges"),
    ("another reply comes: {t}", "et andet svar kommer: {}"),
    ("nothing: {t}", "intet: {}"),
    (
        "the wait for the reply was given up by {}, the query still counts as sent: {}",
        "ventetiden på svaret blev opgivet af {}, forespørgslen tæller stadig som sendt: {}",
    ),
    (
        "the hand-over was given up by {}, the register holds the reply: {}",
        "udleveringen blev opgivet af {}, registret har svaret: {}",
    ),
    ("{} came and was refused by {}: {}", "{} kom og blev afvist af {}: {}"),
    // Why something waits for a person.
    (
        "a query for payment date {} or its month is already under way or done: exchange {}",
        "en forespørgsel for betalingsdatoen {} eller dens måned er allerede undervejs eller færdig: udveksling {}",
    ),
    (
        "payment date {} was past when the query came, on {}",
        "betalingsdatoen {} var passeret, da forespørgslen kom den {}",
    ),
    (
        "the file was changed after it was claimed: {}; what would be sent is the copy made at the claim",
        "filen blev ændret, efter at den var taget: {}; det, der ville blive sendt, er kopien fra dengang",
    ),
    (
        "the hub sent an error receipt, but more than one trigger may have reached it: {}",
        "hubben sendte en fejlkvittering, men mere end én trigger kan have nået den: {}",
    ),
    (
        "the hub sent an error receipt and a success receipt for the one trigger that was made: {}",
        "hubben sendte både en fejlkvittering og en positiv kvittering for den ene trigger, der blev lavet: {}",
    ),
    ("the reply is unfit: {}", "svaret er ikke brugbart: {}"),
    ("the reply ends {} of {} agreements, more than {} %", "svaret afslutter {} af {} aftaler, mere end {} %"),
    ("the reply ends all {} agreements of the register", "svaret afslutter alle {} aftaler i registret"),
    (
        "the monthly total goes from {} kr to {} kr, more than {} %",
        "det månedlige beløb går fra {} kr. til {} kr., mere end {} %",
    ),
    (
        "one agreement's monthly amount is {} kr where {} kr was the most to expect, over {} times as much",
        "én aftales månedlige beløb er {} kr., hvor højst {} kr. var at vente, over {} gange så meget",
    ),
    (
        "the reply's delivery number {} is older than {}, the last one applied",
        "svarets leverancenummer {} er ældre end {}, det senest indførte",
    ),
    (
        "the reply belongs to its query only by order: it does not echo the query's delivery number {}",
        "svaret hører kun til sin forespørgsel efter rækkefølge: det gentager ikke forespørgslens leverancenummer {}",
    ),
    (
        "nobody asked for this reply: no query of this municipality waits for one",
        "ingen har bedt om dette svar: ingen forespørgsel fra kommunen venter på et",
    ),
    ("the query of exchange {} already has a reply", "forespørgslen i udveksling {} har allerede et svar"),
    (
        "the wait for the reply of exchange {} was given up, and this is that reply or may be it; approved, it counts as a \
         reply that nobody asked for",
        "ventetiden på svaret i udveksling {} blev opgivet, og dette er eller kan være det svar; godkendt tæller det som \
         et svar, ingen har bedt om",
    ),
    (
        "the transfer id was used before, in exchange {}, for other bytes",
        "overførslens id er brugt før, i udveksling {}, til et andet indhold",
    ),
    (
        "the inbox already holds a file named {}, and nothing is ever written over",
        "inbox har allerede en fil ved navn {}, og intet overskrives nogensinde",
    ),
    (
        "the inbox folder is another one than the reply was put into, so whether it was handed over is unknown",
        "inbox-mappen er en anden end den, svaret blev lagt i, så om det blev udleveret, vides ikke",
    ),
    (
        "the trigger was tried {} times and never made; look at the far side before it goes on",
        "triggeren er forsøgt {} gange og aldrig lavet; se efter hos modparten, før det går videre",
    ),
    (
        "delivery number {} was used before, by exchange {}; a reply could not be told apart",
        "leverancenummer {} er brugt før, af udveksling {}; et svar kunne ikke skelnes",
    ),
    (
        "the store was put back from a backup, and this query may have been sent since: ask UDK, or look into OUT. Approved, \
         it is sent (again); if it was sent, settle it as sent",
        "databasen er lagt tilbage fra en sikkerhedskopi, og forespørgslen kan være sendt siden: spørg UDK, eller se i OUT. \
         Godkendt sendes den (igen); er den sendt, så afgør den som sendt",
    ),
    (
        "the store was put back from a backup, and this reply may have been handed over since: look into the benefit system. \
         Approved, it is handed over (again); refused, only the hand-over is left out",
        "databasen er lagt tilbage fra en sikkerhedskopi, og svaret kan være udleveret siden: se i ydelsessystemet. \
         Godkendt udleveres det (igen); afvist udelades kun udleveringen",
    ),
    (
        "the journal's entry of exchange {} is not understood, so whether this query was sent before is unknown",
        "journalens post om udveksling {} forstås ikke, så om forespørgslen er sendt før, vides ikke",
    ),
    (
        "the journal says something impossible of this exchange: {}",
        "journalen siger noget umuligt om denne udveksling: {}",
    ),
    ("whether the trigger was made is unknown: {t}", "om triggeren blev lavet, vides ikke: {}"),
    // Troubles.
    ("far side not reachable: {}", "modparten kan ikke nås: {}"),
    (
        "no answer from the far side, so the outcome is unknown: {}",
        "intet svar fra modparten, så udfaldet er ukendt: {}",
    ),
    ("the far side refused: {}", "modparten afviste: {}"),
    ("login refused: {}", "login afvist: {}"),
    (
        "nothing can be recorded, so nothing new is begun: {}",
        "intet kan skrives i journalen, så intet nyt begyndes: {}",
    ),
    ("left alone: its name says that it is not finished", "lades i fred: navnet siger, at den ikke er færdig"),
    // What a decision means.
    (
        "Let it pass, or refuse it. The mark makes the decision void if anything has moved on since:",
        "Lad det passere, eller afvis det. Mærket gør afgørelsen ugyldig, hvis noget er sket siden:",
    ),
    (
        "Send it (again), refuse it, or, if it was sent before, say so: then Sluse waits for receipt and reply. The mark \
         makes the decision void if anything has moved on since:",
        "Send den (igen), afvis den, eller sig, at den er sendt, hvis den er det: så venter Sluse på kvittering og svar. \
         Mærket gør afgørelsen ugyldig, hvis noget er sket siden:",
    ),
    (
        "It cannot be approved: refuse it, or have the sender send a fit one.",
        "Det kan ikke godkendes: afvis det, eller få afsenderen til at sende et brugbart.",
    ),
    (
        "A receipt, a reply, or a far side that can be reached again may settle it without you. If it takes too long, ask \
         there whether the trigger was seen. Sent: Sluse waits for receipt and reply. Not sent: the query is refused, and \
         can be sent again (`sluse retry`).",
        "En kvittering, et svar eller en modpart, der kan nås igen, kan afgøre det uden dig. Varer det for længe, så spørg \
         der, om triggeren er set. Sendt: Sluse venter på kvittering og svar. Ikke sendt: forespørgslen afvises og kan \
         sendes igen (`sluse retry`).",
    ),
    (
        "No decision is possible, and Sluse leaves it alone: its journal was written by another version, or altered: `sluse \
         audit verify` tells which. If another version wrote it, run that version again. Keep the store as it is; ask those \
         who support Sluse.",
        "Ingen afgørelse er mulig, og Sluse lader den ligge: dens journal er skrevet af en anden version eller ændret: `sluse \
         audit verify` siger hvilket. Har en anden version skrevet den, så kør den version igen. Behold databasen, som den \
         er; spørg dem, der støtter Sluse.",
    ),
    // What happened.
    (
        "The query {} was taken out of the outbox ({t}, SHA-256 {}): {t}",
        "Forespørgslen {} blev taget fra outbox ({}, SHA-256 {}): {}",
    ),
    (
        "The query {} was found here, and in no journal, when the store was recovered ({t}, SHA-256 {}): {t}",
        "Forespørgslen {} blev fundet her og i ingen journal, da databasen blev genoprettet ({}, SHA-256 {}): {}",
    ),
    (
        "The query {} of exchange {} is sent again, from the archive ({t}, SHA-256 {}): {t}",
        "Forespørgslen {} fra udveksling {} sendes igen, fra arkivet ({}, SHA-256 {}): {}",
    ),
    (
        "delivery {}, payment date {} (month {}). It travels as {}.",
        "leverance {}, betalingsdato {} (måned {}). Den rejser som {}.",
    ),
    ("delivery {}, payment date {}. It travels as {}.", "leverance {}, betalingsdato {}. Den rejser som {}."),
    (
        "{} was taken out of the outbox ({t}, SHA-256 {}) and is unfit: {}.",
        "{} blev taget fra outbox ({}, SHA-256 {}) og er ikke brugbar: {}.",
    ),
    (
        "{} was found here, and in no journal, when the store was recovered ({t}, SHA-256 {}) and is unfit: {}.",
        "{} blev fundet her og i ingen journal, da databasen blev genoprettet ({}, SHA-256 {}), og er ikke brugbar: {}.",
    ),
    ("{} byte", "{} byte"),
    ("{} bytes", "{} byte"),
    ("{} agreement", "{} aftale"),
    ("{} agreements", "{} aftaler"),
    ("The query is held, nothing is sent: {t}.", "Forespørgslen holdes tilbage, intet sendes: {}."),
    (
        "The data lies whole in OUT; its size was looked up there.",
        "Data ligger hele i OUT; størrelsen er slået op der.",
    ),
    (
        "The data was gone from OUT, or not whole, when the trigger was to be made; it is uploaded again.",
        "Data var væk fra OUT eller ikke hele, da triggeren skulle laves; de lægges op igen.",
    ),
    (
        "The trigger lies whole in OUT under the part name {}, which nobody takes for a trigger.",
        "Triggeren ligger hel i OUT under delnavnet {}, som ingen tager for en trigger.",
    ),
    (
        "The trigger cannot be made by a rename: {}. It is written under its final name instead.",
        "Triggeren kan ikke laves ved omdøbning: {}. Den skrives i stedet under sit endelige navn.",
    ),
    (
        "Put on record before it was done: {} is renamed to the trigger, by one request.",
        "Skrevet i journalen, før det blev gjort: {} omdøbes til triggeren i én forespørgsel.",
    ),
    (
        "Put on record before it was done: the trigger is written under its final name.",
        "Skrevet i journalen, før det blev gjort: triggeren skrives under sit endelige navn.",
    ),
    ("The trigger is visible: the query is submitted.", "Triggeren er synlig: forespørgslen er afsendt."),
    (
        "Proven: the trigger was not made, and that attempt can no longer make it ({}).",
        "Bevist: triggeren blev ikke lavet, og det forsøg kan ikke længere lave den ({}).",
    ),
    ("It is unknown whether the trigger was made: {t}.", "Det vides ikke, om triggeren blev lavet: {}."),
    ("Proven: the trigger was made ({}).", "Bevist: triggeren blev lavet ({})."),
    (
        "The hub's receipt {} says that it has the query (transfer {}).",
        "Hubbens kvittering {} siger, at den har forespørgslen (overførsel {}).",
    ),
    (
        "The hub's receipt {} says that it failed (transfer {}): {}.",
        "Hubbens kvittering {} siger, at det mislykkedes (overførsel {}): {}.",
    ),
    (
        "The reply {} is in the archive ({t}, SHA-256 {}): {t}, transfer {}. {t}",
        "Svaret {} er i arkivet ({}, SHA-256 {}): {}, overførsel {}. {}",
    ),
    ("delivery {}", "leverance {}"),
    ("no delivery number that can be read", "intet leverancenummer, der kan læses"),
    ("It echoes the query's delivery number.", "Det gentager forespørgslens leverancenummer."),
    (
        "It does not echo the query's delivery number, and is the first reply since.",
        "Det gentager ikke forespørgslens leverancenummer og er det første svar siden.",
    ),
    ("No query waits for it.", "Ingen forespørgsel venter på det."),
    (
        "The query that it answers, exchange {}, already has a reply.",
        "Forespørgslen, det svarer på, udveksling {}, har allerede et svar.",
    ),
    (
        "The wait for the reply of exchange {} was given up, and this is that reply or may be it.",
        "Ventetiden på svaret i udveksling {} blev opgivet, og dette er eller kan være det svar.",
    ),
    (
        "Exchange {} had the same transfer id with other bytes.",
        "Udveksling {} havde samme overførsels-id med et andet indhold.",
    ),
    ("The reply is held: {t}. It would change this: {t}.", "Svaret holdes tilbage: {}. Det ville ændre dette: {}."),
    ("The reply is held: {t}.", "Svaret holdes tilbage: {}."),
    (
        "The register holds the reply (delivery {}), as of {}: {t}.",
        "Registret har svaret (leverance {}), som det var {}: {}.",
    ),
    ("The register holds the reply, as of {}: {t}.", "Registret har svaret, som det var {}: {}."),
    ("the first load, {t} of {} kr a month", "første indlæsning, {} på {} kr. om måneden"),
    (
        "{t} of {} kr a month before, {t} of {} kr after; {} new, {} changed, {} ended, {} resumed, {} unchanged",
        "{} på {} kr. om måneden før, {} på {} kr. efter; {} nye, {} ændrede, {} ophørte, {} genoptagne, {} uændrede",
    ),
    (
        "Reply and change list lie in the inbox under part names, to become {} and {}.",
        "Svar og ændringsliste ligger i inbox under delnavne og bliver til {} og {}.",
    ),
    (
        "What was staged in the inbox is gone, and it was not handed over; it is staged again.",
        "Det, der var gjort klar i inbox, er væk og blev ikke udleveret; det gøres klar igen.",
    ),
    (
        "Put on record before it was done: reply and change list get their names in the inbox; from here on the benefit \
         system may take them.",
        "Skrevet i journalen, før det blev gjort: svar og ændringsliste får deres navne i inbox; herfra kan ydelsessystemet \
         tage dem.",
    ),
    (
        "Reply and change list were handed over: they stood in the inbox under their names.",
        "Svar og ændringsliste blev udleveret: de stod i inbox under deres navne.",
    ),
    (
        "The hand-over command ran and ended with exit status {}.",
        "Udleveringskommandoen kørte og sluttede med status {}.",
    ),
    (
        "The hand-over command ran and was ended by a signal.",
        "Udleveringskommandoen kørte og blev afsluttet af et signal.",
    ),
    ("Nothing of this exchange is left on the far side.", "Intet af denne udveksling er tilbage hos modparten."),
    (
        "The far side was tidied, but these files could not be removed there: {}.",
        "Der blev ryddet op hos modparten, men disse filer kunne ikke fjernes der: {}.",
    ),
    (
        "The store was put back from a backup: what happened here between that backup and this entry is not on record. {t}",
        "Databasen blev lagt tilbage fra en sikkerhedskopi: hvad der skete her mellem den kopi og denne post, er ikke skrevet \
         ned. {}",
    ),
    (
        "The store was put back from a backup: what happened here between that backup and this entry is not on record.",
        "Databasen blev lagt tilbage fra en sikkerhedskopi: hvad der skete her mellem den kopi og denne post, er ikke skrevet \
         ned.",
    ),
    ("The file lies in refused/, with the reason beside it.", "Filen ligger i refused/ med begrundelsen ved siden af."),
    (
        "The reply is off the far side; it lies in the archive, and in refused/ with the reason beside it.",
        "Svaret er væk fra modparten; det ligger i arkivet og i refused/ med begrundelsen ved siden af.",
    ),
    (
        "The query lies in refused/, with the reason beside it; whatever of it lay in OUT was cleared away.",
        "Forespørgslen ligger i refused/ med begrundelsen ved siden af; det af den, der lå i OUT, er ryddet væk.",
    ),
    (
        "The query lies in refused/, with the reason beside it; nothing of it was ever put into OUT.",
        "Forespørgslen ligger i refused/ med begrundelsen ved siden af; intet af den blev nogensinde lagt i OUT.",
    ),
    ("It lies in refused/, with the reason beside it.", "Det ligger i refused/ med begrundelsen ved siden af."),
    // What a person did.
    ("A person ({}) {t}. The reason: “{}”.", "Et menneske ({}) {}. Begrundelsen: “{}”."),
    ("settled that the trigger was made", "afgjorde, at triggeren blev lavet"),
    ("settled that the trigger was not made", "afgjorde, at triggeren ikke blev lavet"),
    ("withdrew it before the trigger was to be made", "trak den tilbage, før triggeren skulle laves"),
    ("had it sent again, as exchange {}", "fik den sendt igen, som udveksling {}"),
    ("recovered it", "genoprettede den"),
    ("approved the query: it may be sent", "godkendte forespørgslen: den må sendes"),
    (
        "approved the error receipt: the hub has rejected the query",
        "godkendte fejlkvitteringen: hubben har afvist forespørgslen",
    ),
    (
        "approved the hand-over of the reply, which the register holds already",
        "godkendte udleveringen af svaret, som registret allerede har",
    ),
    (
        "approved it, having seen the reply with SHA-256 {} and an empty register",
        "godkendte det efter at have set svaret med SHA-256 {} og et tomt register",
    ),
    (
        "approved it, having seen the reply with SHA-256 {} and the register of journal entry {}",
        "godkendte det efter at have set svaret med SHA-256 {} og registret fra journalpost {}",
    ),
    ("approved it", "godkendte det"),
    (
        "gave up the wait for the reply; the query still counts as sent",
        "opgav ventetiden på svaret; forespørgslen tæller stadig som sendt",
    ),
    (
        "gave up the hand-over; the register holds the reply all the same",
        "opgav udleveringen; registret har alligevel svaret",
    ),
    ("refused the reply {}; its query waits for another", "afviste svaret {}; dets forespørgsel venter på et andet"),
    ("refused the reply {}", "afviste svaret {}"),
    (
        "refused the error receipt: the hub has the query all the same",
        "afviste fejlkvitteringen: hubben har alligevel forespørgslen",
    ),
    ("refused the query: it is not sent", "afviste forespørgslen: den sendes ikke"),
    ("refused it", "afviste det"),
];
