import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  Controller,
  HttpCode,
  Inject,
  Module,
  Post,
  Req,
  UnauthorizedException,
  type DynamicModule,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { raw, type Request } from 'express';
import { App, createNodeMiddleware } from 'octokit';
import 'reflect-metadata';
import { isFromGithub } from '../../src/integrations/github/signature.js';
import { Secret } from '../../src/kernel/index.js';

/*
 * The yardsticks of the bench `webhooks`, a program of its own: the barest Nest route that only verifies the signature of a delivery, and the middleware that Octokit (and Probot on top of it) makes for
 * Node, with one handler that does nothing. Neither keeps anything. Its parent sends the secret, and hears where they listen; it ends with its parent.
 */

export interface BareWebhooksOptions {
  secret: string;
}

export interface BareWebhooksUrls {
  nest: string;
  octokit: string;
}

const SECRET = Symbol('secret');

@Controller()
class BareController {
  constructor(@Inject(SECRET) private readonly secret: Secret) {}

  @Post('webhooks')
  @HttpCode(200)
  receive(@Req() request: Request): { received: string } {
    const header = request.get('x-hub-signature-256');
    if (!isFromGithub([this.secret], request.body as Buffer, header)) throw new UnauthorizedException();
    return { received: 'new' };
  }
}

@Module({})
class BareModule {
  static with(secret: string): DynamicModule {
    return {
      module: BareModule,
      controllers: [BareController],
      providers: [{ provide: SECRET, useValue: new Secret(secret) }],
    };
  }
}

async function serveNest(secret: string): Promise<string> {
  const app = await NestFactory.create<NestExpressApplication>(BareModule.with(secret), {
    logger: false,
    bodyParser: false,
  });
  app.use(raw({ type: () => true, limit: '5mb' }));
  await app.listen(0, '127.0.0.1');
  return `${await app.getUrl()}/webhooks`;
}

async function serveOctokit(secret: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const app = new App({
    appId: 1,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    webhooks: { secret },
    // Asked for by the middleware, which serves these routes too.
    oauth: { clientId: 'bench', clientSecret: 'bench' },
  });
  app.webhooks.onAny(() => undefined);
  const handle = createNodeMiddleware(app);
  const server: Server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/github/webhooks`;
}

process.once('disconnect', () => process.exit());
process.once('message', ({ secret }: BareWebhooksOptions) => {
  void Promise.all([serveNest(secret), serveOctokit(secret)]).then(([nest, octokit]) =>
    process.send?.({ nest, octokit } satisfies BareWebhooksUrls),
  );
});
