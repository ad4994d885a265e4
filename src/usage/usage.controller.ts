import { Controller } from '@nestjs/common';
import {
  createBudgetRoute,
  deleteBudgetRoute,
  listBudgetsRoute,
  putBudgetRoute,
  showBudgetRoute,
  usageRoute,
  type Answer,
  type BudgetView,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { Budgets } from './budgets.service.js';
import { UsageLedger } from './ledger.service.js';

@Controller()
export class UsageController {
  constructor(
    private readonly ledger: UsageLedger,
    private readonly budgets: Budgets,
  ) {}

  @BindRoute(usageRoute)
  usage(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof usageRoute>,
  ): Promise<Answer<typeof usageRoute>> {
    return this.ledger.report(actor, query);
  }

  @BindRoute(listBudgetsRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listBudgetsRoute>,
  ): Promise<Answer<typeof listBudgetsRoute>> {
    return this.budgets.list(actor, query);
  }

  @BindRoute(createBudgetRoute)
  create(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof createBudgetRoute>,
  ): Promise<BudgetView> {
    return this.budgets.create(actor, body);
  }

  @BindRoute(showBudgetRoute)
  show(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof showBudgetRoute>,
  ): Promise<BudgetView> {
    return this.budgets.show(actor, params.id);
  }

  @BindRoute(putBudgetRoute)
  change(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof putBudgetRoute>,
  ): Promise<BudgetView> {
    return this.budgets.change(actor, params.id, body);
  }

  @BindRoute(deleteBudgetRoute)
  remove(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteBudgetRoute>,
  ): Promise<void> {
    return this.budgets.remove(actor, params.id);
  }
}
