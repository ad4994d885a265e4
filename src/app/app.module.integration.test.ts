import { NestFactory } from '@nestjs/core';
import { startTestApp, type TestApp } from '../../test/support/app.js';
import { AppModule } from './app.module.js';

let berth: TestApp;
beforeAll(async () => {
  berth = await startTestApp();
});
afterAll(() => berth.close());

it.each(['api', 'worker'] as const)('a process of the role %s has all that it is made of', async (role) => {
  const app = await NestFactory.create(AppModule[role](berth.parts), { logger: false, abortOnError: false });
  await app.init();
  await app.close();
});
