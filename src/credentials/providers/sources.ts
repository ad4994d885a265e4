import type { Clock } from '../../kernel/index.js';
import { ChatgptLogins, type ChatgptEndpoints } from './chatgpt.js';
import { ClaudeLogins, type ClaudeEndpoints } from './claude.js';
import type { GithubEndpoints } from './github-app.js';
import { LinearLogins, type LinearEndpoints } from './linear.js';
import type { FederationSettings } from './federation.js';
import { TokenSources } from './token-source.js';
import { FederatedTokens, type Asserts } from './wif.js';

/** Where logins are made and renewed, handed in from config. */
export class LoginEndpoints {
  constructor(
    readonly claude: ClaudeEndpoints,
    readonly openai: ChatgptEndpoints,
    readonly linear: LinearEndpoints,
    readonly github: GithubEndpoints,
  ) {}
}

/** The providers' logins, each also the source of its kind's tokens; and where those come from that need no login. */
export class ProviderLogins {
  readonly claude: ClaudeLogins;
  readonly chatgpt: ChatgptLogins;
  readonly linear: LinearLogins;
  readonly sources = new TokenSources();

  constructor(endpoints: LoginEndpoints, federation: FederationSettings, issuer: Asserts, clock: Clock) {
    this.claude = new ClaudeLogins(endpoints.claude, clock);
    this.chatgpt = new ChatgptLogins(endpoints.openai, clock);
    this.linear = new LinearLogins(endpoints.linear, clock);
    this.sources.add('claude_oauth', this.claude);
    this.sources.add('openai_oauth', this.chatgpt);
    this.sources.add('linear_app', this.linear);
    this.sources.add('anthropic_wif', new FederatedTokens(federation, issuer, clock));
  }
}
