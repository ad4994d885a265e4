export type { ReplyAbout, ReplyContent } from './replies/content.js';
export { Replies, type NewReply } from './replies/replies.service.js';
export type { ReplySender, ReplyToSend, SendOutcome } from './replies/sender.js';
export { TriggersModule } from './triggers.module.js';
