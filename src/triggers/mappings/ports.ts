import { Injectable } from '@nestjs/common';

/** Reads a file of a repository's default branch, and of no other: whoever opens a pull request cannot change what it says. Null when there is none, or nobody here may read it. */
export type ReadRepositoryFile = (
  organizationId: string,
  /** `owner/name`, or an https address. */
  repository: string,
  path: string,
) => Promise<string | null>;

/** Puts repositories into the order in which an issue is likely about them. */
export type OrderRepositories = (
  organizationId: string,
  issue: Record<string, unknown>,
  repositories: string[],
) => Promise<string[]>;

/** What integrations know of repositories. Where nobody registered, there is no file, and the order stays. */
@Injectable()
export class RepositoryKnowledge {
  #read: ReadRepositoryFile = () => Promise.resolve(null);
  #order: OrderRepositories = (_, __, repositories) => Promise.resolve(repositories);

  readWith(read: ReadRepositoryFile): void {
    this.#read = read;
  }

  orderWith(order: OrderRepositories): void {
    this.#order = order;
  }

  read(...place: Parameters<ReadRepositoryFile>): Promise<string | null> {
    return this.#read(...place);
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
