import { Injectable } from '@nestjs/common';
import type { Tenant } from '../../database/index.js';

/** A repository as people name it, and which one that is. */
export interface NamedRepository {
  /** `owner/name`, or an https address. */
  repository: string;
  /** GitHub's number of it; null: it is known by its name alone. */
  repositoryId: string | null;
}

/** Reads a file of a repository's default branch, and of no other: whoever opens a pull request cannot change what it says. Null when there is none, or nobody here may read it. */
export type ReadRepositoryFile = (
  organizationId: string,
  repository: NamedRepository,
  path: string,
) => Promise<string | null>;

/** Puts repositories into the order in which an issue is likely about them. */
export type OrderRepositories = (
  organizationId: string,
  issue: Record<string, unknown>,
  repositories: string[],
) => Promise<string[]>;

/** GitHub's number of a repository, in the caller's transaction; null where nobody here reaches it. */
export type NumberOfRepository = (tenant: Tenant, repository: string) => Promise<string | null>;

/** What integrations know of repositories. Where nobody registered, there is no file and no number, and the order stays. */
@Injectable()
export class RepositoryKnowledge {
  #read: ReadRepositoryFile = () => Promise.resolve(null);
  #number: NumberOfRepository = () => Promise.resolve(null);
  #order: OrderRepositories = (_, __, repositories) => Promise.resolve(repositories);

  readWith(read: ReadRepositoryFile): void {
    this.#read = read;
  }

  numberWith(number: NumberOfRepository): void {
    this.#number = number;
  }

  orderWith(order: OrderRepositories): void {
    this.#order = order;
  }

  read(...place: Parameters<ReadRepositoryFile>): Promise<string | null> {
    return this.#read(...place);
  }

  numberOf(...named: Parameters<NumberOfRepository>): Promise<string | null> {
    return this.#number(...named);
  }

  /** The same repositories, whatever was suggested: none is added, none lost. */
  async order(
    organizationId: string,
    issue: Record<string, unknown>,
    repositories: string[],
  ): Promise<string[]> {
    const suggested = await this.#order(organizationId, issue, repositories).catch(() => repositories);
    const known = suggested.filter(
      (name, at) => repositories.includes(name) && suggested.indexOf(name) === at,
    );
    return [...known, ...repositories.filter((name) => !known.includes(name))];
  }
}
