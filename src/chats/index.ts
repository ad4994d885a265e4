export { ChatsApiModule, ChatsModule } from './chats.module.js';
export { ChatsService } from './chats.service.js';
export { ReceiptsService } from './receipts.service.js';
export { RunnerTurnsService, type Fence, type Pushed, type Wait } from './runner-turns.service.js';
