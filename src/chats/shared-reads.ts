/** Reads under way at once. Well below the connections of the pool, so that requests find one while a thousand readers are woken. */
const AT_ONCE = 4;

interface Asked<Question, Answer> {
  question: Question;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

type Group<Question, Answer> = Asked<Question, Answer>[];

/** What comes of a question: an answer, or why there is none. */
export type Outcome<Answer> = { answer: Answer } | { error: unknown };

/**
 * Reads in place of all who ask under one key. `first` is one of the questions. Once what it reads can be newer than nothing that was asked (its transaction has begun), and
 * before it reads, it calls `close`, which answers all questions; whoever asks later has a read of their own. One outcome per question, in their order.
 */
export type Read<Question, Answer> = (first: Question, close: () => Question[]) => Promise<Outcome<Answer>[]>;

/**
 * Gathers questions that one read can answer. Nobody is answered with what was read before they asked. While a read waits for its turn, or for a connection, more join it: the more there
 * is to do, the more is done together. Those who wait, wait in line.
 */
export class SharedReads<Question, Answer> {
  /** Not begun to read yet, by key. */
  readonly #open = new Map<string, Group<Question, Answer>>();
  readonly #line: { key: string; group: Group<Question, Answer>; first: Question }[] = [];
  #underWay = 0;

  constructor(
    private readonly read: Read<Question, Answer>,
    private readonly atOnce = AT_ONCE,
  ) {}

  ask(key: string, question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = { question, resolve, reject };
      const gathered = this.#open.get(key);
      if (gathered) {
        gathered.push(asked);
        return;
      }
      const group = [asked];
      this.#open.set(key, group);
      this.#line.push({ key, group, first: question });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#underWay < this.atOnce) {
      const next = this.#line.shift();
      if (!next) return;
      this.#underWay++;
      void this.#answer(next.key, next.group, next.first).finally(() => {
        this.#underWay--;
        this.#begin();
      });
    }
  }

  async #answer(key: string, group: Group<Question, Answer>, first: Question): Promise<void> {
    const close = (): Question[] => {
      if (this.#open.get(key) === group) this.#open.delete(key);
      return group.map(({ question }) => question);
    };
    try {
      const outcomes = await this.read(first, close);
      for (const [at, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[at];
        if (outcome && 'answer' in outcome) resolve(outcome.answer);
        else reject(outcome?.error);
      }
    } catch (error) {
      // It may have failed before it closed: those who came since are in it, and whoever comes from here on begins anew.
      close();
      for (const { reject } of group) reject(error);
    }
  }
}
