import { Injectable } from '@nestjs/common';
import type { Kind, Scope } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { Actor } from '../../identity/index.js';

/** What is to be known of a credential by those who used it: its provider ended it, or will soon. */
export interface CredentialNotice {
  organizationId: string;
  credentialId: string;
  scope: Scope;
  kind: Kind;
  status: 'rejected' | 'active';
  /** What it is about, the same however often it is told: it is told once. */
  key: string;
  /** For people: why, and what to do. */
  message: string;
}

/** Where a subject's git goes. */
export interface GitPlace {
  /** As its repository's address has it. */
  host: string;
  /** `owner/name` there, as it is called now. */
  repository: string;
  /** GitHub's number of it; null: it is known by its name alone. */
  repositoryId: string | null;
  /** Nothing is to be written there. */
  readOnly: boolean;
}

/** What this room asks those for whom it leases. It knows them by their ids alone. */
export interface Subjects {
  /** Of these, the ones that live: for what sleeps nothing is renewed. */
  living(tenant: Tenant, ids: string[]): Promise<string[]>;
  /** Of these, the ones that a member may know of. */
  visibleTo(tenant: Tenant, actor: Actor, ids: string[]): Promise<string[]>;
  /** Where the git of this one goes; null for none that is reached over https. */
  gitPlaceOf(tenant: Tenant, id: string): Promise<GitPlace | null>;
  /** One that was known by its name alone is of this repository from now on, whatever is called so later. False: it is of one already. */
  staysWith(tenant: Tenant, id: string, repositoryId: string): Promise<boolean>;
  /** Tells the living ones of these, each in a transaction of its own. */
  tell(notice: CredentialNotice, ids: string[]): Promise<void>;
}

/** Holds them: the room of workspaces says who they are, so that the arrow points down. */
@Injectable()
export class CredentialSubjects {
  #subjects: Subjects | null = null;

  are(subjects: Subjects): void {
    this.#subjects = subjects;
  }

  get all(): Subjects {
    return this.#subjects ?? nobody;
  }
}

const nobody: Subjects = {
  living: () => Promise.resolve([]),
  visibleTo: () => Promise.resolve([]),
  gitPlaceOf: () => Promise.resolve(null),
  staysWith: () => Promise.resolve(false),
  tell: () => Promise.resolve(),
};
