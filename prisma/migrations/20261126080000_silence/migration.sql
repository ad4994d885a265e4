-- In which conversations nothing was said for long, by the last reply that is a word there: when it was said, and none of what it says.
GRANT SELECT (seq, external_id, sent_at) ON "reply" TO berth_system;
