-- For whoever asks for some stories and not for the whole journal (src/store/sqlite/about.rs). They say nothing that the
-- journal does not, and can be made again from it: a store that was made without them gets them when it is next opened
-- to be written.

CREATE INDEX IF NOT EXISTS journal_of_exchange ON journal (exchange);

-- The queries of a payment date. What is no JSON was never written here, and must not keep anybody from being told so.
CREATE INDEX IF NOT EXISTS journal_by_payment_date
ON journal (CASE WHEN json_valid(body) THEN json_extract(body, '$.payment_date') END) WHERE kind = 'accepted';
