import { Controller, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { RunnerTurnsService } from '../chats/index.js';
import {
  runnerClaimRoute,
  runnerCommandsRoute,
  runnerHelloRoute,
  runnerReportRoute,
  type CommandsAnswer,
  type ReportAnswer,
  type RunnerAssignment,
} from '../contracts/index.js';
import { WorkspaceFeed } from '../events/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentMachine, type Machine } from '../identity/index.js';
import { WorkspacesService } from '../workspaces/index.js';

/** What a runner may ask: its assignment, turns, and to be heard. Never a lease (rule 9). */
@Controller()
export class RunnerController {
  constructor(
    private readonly workspaces: WorkspacesService,
    private readonly turns: RunnerTurnsService,
    private readonly feed: WorkspaceFeed,
  ) {}

  @BindRoute(runnerHelloRoute)
  hello(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerHelloRoute>,
  ): Promise<RunnerAssignment> {
    return this.workspaces.runnerStarted(machine, body.runnerId);
  }

  @BindRoute(runnerClaimRoute)
  async claim(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerClaimRoute>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const look = () => this.turns.claim(machine, body.runnerId);
    const turn = await this.feed.until(machine.workspaceId, body.waitSeconds, whenGone(request), look);
    // A turn claimed for a runner that is gone is not lost: the next claim finds it under way without a runner of that name.
    if (turn) response.status(200).json(turn);
    else response.status(204).end();
  }

  @BindRoute(runnerReportRoute)
  async report(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerReportRoute>,
  ): Promise<ReportAnswer> {
    const { failed, ...answer } = await this.turns.report(machine, body.runnerId, body.items);
    if (failed) await this.workspaces.reconcileSoon(machine.organizationId, machine.workspaceId);
    return answer;
  }

  @BindRoute(runnerCommandsRoute)
  async commands(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerCommandsRoute>,
    @Req() request: Request,
  ): Promise<CommandsAnswer> {
    const look = () => this.turns.toCancel(machine, body.runnerId, body.canceling);
    const cancel = await this.feed.until(machine.workspaceId, body.waitSeconds, whenGone(request), look);
    return { cancel: cancel ?? [], stop: false };
  }
}

/** Aborted when the caller hangs up, so that nobody is waited for in vain. */
function whenGone(request: Request): AbortSignal {
  const gone = new AbortController();
  request.res?.on('close', () => gone.abort());
  return gone.signal;
}
