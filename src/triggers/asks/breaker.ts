/**
 * Stops what goes round in circles and was not known for it by who it came from: two agents that wake each other through accounts that look like people's. Bots, apps and what is written through an
 * App are refused before; this counts what is left.
 */
export const breaker = {
  /** Over so many seconds asks are counted. */
  windowSeconds: 600,
  /** So many in one conversation are a lively talk. */
  inConversation: 20,
  /** What takes its time, and never ends: one message in each minute of an hour; or more in a day than a person has patience for. */
  inHour: 60,
  inDay: 200,
  /** Asks of nobody about the same thing (an issue, a pull request): the first one, and one more. */
  ofNobody: 2,
  /** Asks of nobody in the whole organization. */
  ofNobodyInAll: 30,
  /** So many times in a row asked at once (at-once.ts): who has the next thing ready may do it twice. */
  atOnce: 3,
  /** After so long it is tried again. */
  pauseSeconds: 3600,
} as const;

/** How many were asked before, within the windows. */
export interface AskCounts {
  inConversation: number;
  inHour: number;
  inDay: number;
  ofNobody: number;
  ofNobodyInAll: number;
}

/** Why no more is done there, for people; null: it is not too much. `atOnce`: how many times in a row it was asked at once, this time with them. */
export function tooMuch(counts: AskCounts, isNobody: boolean, atOnce = 0): string | null {
  const minutes = breaker.windowSeconds / 60;
  if (counts.inConversation >= breaker.inConversation)
    return `${counts.inConversation} messages in ${minutes} minutes look like a loop, so Berth paused this conversation.`;
  if (counts.inHour >= breaker.inHour || counts.inDay >= breaker.inDay)
    return `${Math.max(counts.inHour, counts.inDay)} messages without an end look like a loop, so Berth paused this conversation.`;
  if (atOnce >= breaker.atOnce)
    return `What Berth said was answered ${atOnce} times in a row faster than people read and write, which looks like a loop, so Berth paused this conversation.`;
  if (isNobody && counts.ofNobody >= breaker.ofNobody)
    return `An automation asked ${counts.ofNobody} times for the same in ${minutes} minutes, which looks like a loop, so Berth paused this conversation.`;
  if (isNobody && counts.ofNobodyInAll >= breaker.ofNobodyInAll)
    return `Automations asked ${counts.ofNobodyInAll} times in ${minutes} minutes, so Berth paused this conversation.`;
  return null;
}

/** Whether the pause of a conversation is over by itself. */
export function isPauseOver(pausedAt: Date, now: Date): boolean {
  return now.getTime() - pausedAt.getTime() >= breaker.pauseSeconds * 1000;
}
