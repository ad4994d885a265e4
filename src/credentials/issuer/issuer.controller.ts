import { Controller, Header } from '@nestjs/common';
import {
  discoveryRoute,
  jwksRoute,
  rotateIssuerKeyRoute,
  type Discovery,
  type IssuerView,
  type Jwks,
} from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { CurrentPerson, type Person } from '../../identity/index.js';
import { Issuer } from './issuer.service.js';

/** A third of the time that a key is published before it signs, at the least. */
const KEEP = 'public, max-age=300';

/** Berth as an issuer, for those who check what it signed. */
@Controller()
export class IssuerController {
  constructor(private readonly issuer: Issuer) {}

  @Header('cache-control', KEEP)
  @BindRoute(jwksRoute)
  jwks(): Promise<Jwks> {
    return this.issuer.jwks();
  }

  @Header('cache-control', KEEP)
  @BindRoute(discoveryRoute)
  discovery(): Discovery {
    return this.issuer.discovery();
  }

  @BindRoute(rotateIssuerKeyRoute)
  rotate(
    @CurrentPerson() person: Person,
    @Input() { body }: InputOf<typeof rotateIssuerKeyRoute>,
  ): Promise<IssuerView> {
    return this.issuer.rotate(person, body.publishAheadSeconds);
  }
}
