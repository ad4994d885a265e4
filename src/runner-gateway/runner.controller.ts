import { Controller, Res } from '@nestjs/common';
import type { Response } from 'express';
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
import { BindRoute, Input, whenGone, type InputOf } from '../http/index.js';
import { CurrentMachine, type Machine } from '../identity/index.js';
import { ClaimsService } from './claims.service.js';
import { WorkspaceMachines } from '../workspaces/index.js';

/** What a runner may ask: its assignment, turns, and to be heard. Never a lease (rule 9). */
@Controller()
export class RunnerController {
  constructor(
    private readonly machines: WorkspaceMachines,
    private readonly turns: RunnerTurnsService,
    private readonly claims: ClaimsService,
    private readonly feed: WorkspaceFeed,
  ) {}

  @BindRoute(runnerHelloRoute)
  hello(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerHelloRoute>,
  ): Promise<RunnerAssignment> {
    return this.machines.runnerStarted(machine, body.runnerId);
  }

  @BindRoute(runnerClaimRoute)
  async claim(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerClaimRoute>,
    @Res() response: Response,
  ): Promise<void> {
    const { signal } = whenGone(response);
    const look = () => this.claims.claim(machine, body.runnerId, signal);
    const turn = await this.feed.until(machine.workspaceId, body.waitSeconds, signal, look);
    // A turn claimed for a runner that hung up is not lost: its next claim, or its successor's, finds it under way.
    if (turn) response.status(200).json(turn);
    else response.status(204).end();
  }

  @BindRoute(runnerReportRoute)
  report(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerReportRoute>,
  ): Promise<ReportAnswer> {
    return this.turns.report(machine, body.runnerId, body.items);
  }

  @BindRoute(runnerCommandsRoute)
  async commands(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof runnerCommandsRoute>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CommandsAnswer> {
    const look = () => this.turns.commands(machine, body.runnerId, body.canceling);
    const commands = await this.feed.until(
      machine.workspaceId,
      body.waitSeconds,
      whenGone(response).signal,
      look,
    );
    return commands ?? { cancel: [], stop: false };
  }
}
