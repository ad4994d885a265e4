import type { Clock } from '../../kernel/index.js';
import { ChatgptLogins, type ChatgptEndpoints } from './chatgpt.js';
import { ClaudeLogins, type ClaudeEndpoints } from './claude.js';
import { TokenSources } from './token-source.js';

/** Where logins are made and renewed, handed in from config. */
export class LoginEndpoints {
  constructor(
    readonly claude: ClaudeEndpoints,
    readonly openai: ChatgptEndpoints,
  ) {}
}

/** The providers' logins, each also the source of its kind's tokens. */
export class ProviderLogins {
  readonly claude: ClaudeLogins;
  readonly chatgpt: ChatgptLogins;
  readonly sources = new TokenSources();

  constructor(endpoints: LoginEndpoints, clock: Clock) {
    this.claude = new ClaudeLogins(endpoints.claude, clock);
    this.chatgpt = new ChatgptLogins(endpoints.openai, clock);
    this.sources.add('claude_oauth', this.claude);
    this.sources.add('openai_oauth', this.chatgpt);
  }
}
