import { Injectable } from '@nestjs/common';

/** What GitHub told, of an organization that is known. */
export interface GithubDelivery {
  organizationId: string;
  /** Of the row. */
  id: string;
  event: string;
  action: string | null;
  body: unknown;
}

/** Does what a delivery tells, and names what became of it. Throws as the handler of deliveries may. */
export type GithubEventHandler = (delivery: GithubDelivery) => Promise<string>;

/** Who is told of what is no talk: installations, repositories, members. One each, by event. */
@Injectable()
export class GithubEvents {
  readonly #handlers = new Map<string, GithubEventHandler>();

  on(event: string, handler: GithubEventHandler): void {
    this.#handlers.set(event, handler);
  }

  handlerOf(event: string): GithubEventHandler | undefined {
    return this.#handlers.get(event);
  }
}
