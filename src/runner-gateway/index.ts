export { RunnerGatewayModule } from './runner-gateway.module.js';
