/** Of what an agent says while it works: enough to see what it is at. */
const MAX_TEXT = 1000;
/** Of what a tool is given and what it found. */
const MAX_SUMMARY = 300;

export const RUNS_AGAIN = 'Write again and it goes on.';

/** The end of a text: what was said last. */
export function tail(text: string): string {
  const trimmed = text.trim();
  return trimmed.length <= MAX_TEXT ? trimmed : `…${whole(trimmed.slice(-MAX_TEXT))}`;
}

/** The beginning of a text. */
export function clip(text: string): string {
  const trimmed = text.trim();
  return trimmed.length <= MAX_SUMMARY ? trimmed : `${whole(trimmed.slice(0, MAX_SUMMARY))}…`;
}

/** Without the half of a character at which it was cut. */
function whole(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '');
}

/** What programs say to each other: a status, an error in JSON, a line of a trace. */
const RAW = /\b(?:401|403|429|5\d\d)\b|API Error|authentication_error|[{}]|\n\s+at /;

/** Why something failed, for people. The reasons of Berth are written for them; what an agent's program said of its own failure may be anything, and stays in the workspace. */
export function failureWords(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  const text = typeof message === 'string' ? message.trim() : '';
  if (text === '' || RAW.test(text))
    return `The agent ended with an error. ${RUNS_AGAIN} The workspace shows what happened.`;
  return text;
}
