export { ChatsApiModule, ChatsModule } from './chats.module.js';
export { ReceiptsService } from './receipts.service.js';
export { RunnerTurnsService } from './runner-turns.service.js';
