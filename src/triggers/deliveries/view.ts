import type { DeliveryView, ExternalSystem } from '../../contracts/index.js';
import type { SeenDelivery } from './deliveries.store.js';
import type { DeliveryState } from './delivery.js';

export function deliveryView(row: SeenDelivery): DeliveryView {
  return {
    ...row,
    system: row.system as ExternalSystem,
    state: row.state as DeliveryState,
    receivedAt: row.receivedAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
