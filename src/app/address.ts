import type { Config } from '../config/index.js';

/** Where this process is reached. With port 0 that is known only when it listens. */
export class Address {
  port: number;

  constructor(private readonly config: Config) {
    this.port = config.http.port;
  }

  get publicUrl(): string {
    return this.config.http.publicUrl ?? this.asBound;
  }

  /** Where runners and the proxy reach the api: this process, unless it was said. */
  get internalUrl(): string {
    return this.config.internalUrl ?? this.asBound;
  }

  get asBound(): string {
    const { host } = this.config.http;
    // Who listens on all addresses is reached on loopback.
    const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    return `http://${reached.includes(':') ? `[${reached}]` : reached}:${this.port}`;
  }
}
