export type { Ask, AskOutcome, AskPlace, Taken } from './asks/ask.js';
export { Asks } from './asks/asks.service.js';
export { Stops, type Stop } from './asks/stops.service.js';
export type { ConversationPlace, Meant } from './conversations/conversation.js';
export { Conversations } from './conversations/conversations.service.js';
export {
  Deliveries,
  type DeliveryHandler,
  type DeliveryToHandle,
  type LateHook,
  type Received,
} from './deliveries/deliveries.service.js';
export type { Handled } from './deliveries/delivery.js';
export { Recoveries, type Look, type Recovery } from './recovery/recoveries.service.js';
export { Mappings } from './mappings/mappings.service.js';
export {
  RepositoryKnowledge,
  type NamedRepository,
  type OrderRepositories,
  type ReadRepositoryFile,
} from './mappings/ports.js';
export type {
  HostedPull,
  Opened,
  PullRequestHost,
  PullRequestPlace,
  SuspendedPlace,
  WantedPull,
} from './pull-requests/host.js';
export { ownPartIn, withOwnPart } from './pull-requests/wording.js';
export { PullRequestJobs } from './pull-requests/pull-request.jobs.js';
export { PullRequests } from './pull-requests/pull-requests.service.js';
export type { ReplyAbout, ReplyContent } from './replies/content.js';
export { Replies, type NewReply } from './replies/replies.service.js';
export type { ReplySender, ReplyToSend, SendOutcome } from './replies/sender.js';
export { ReplyRhythm } from './replies/reply-rhythm.js';
export { TriggersApiModule, TriggersModule, TriggersWorkModule } from './triggers.module.js';
