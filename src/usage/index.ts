export { Budgets, type LeasedTo } from './budgets.service.js';
export { UsageLedger, type ReportedUse } from './ledger.service.js';
export type { UsedBy } from './used-by.js';
export { PriceList } from './prices.js';
export { UsageModule } from './usage.module.js';
