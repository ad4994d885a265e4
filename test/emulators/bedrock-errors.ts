/** An error of AWS's: a code in a header, and a text. */
export interface BedrockError {
  code: string;
  message: string;
}

/** The status of each code (providers.md 5.3; AWS's reference of InvokeModel). */
export const statuses: Record<string, number> = {
  MissingAuthenticationTokenException: 403,
  IncompleteSignatureException: 403,
  UnrecognizedClientException: 403,
  InvalidClientTokenId: 403,
  InvalidSignatureException: 403,
  ExpiredTokenException: 403,
  AccessDeniedException: 403,
  FTUFormNotFilled: 404,
  ResourceNotFoundException: 404,
  ValidationException: 400,
  ModelTimeoutException: 408,
  ModelErrorException: 424,
  ThrottlingException: 429,
  ModelNotReadyException: 429,
  ServiceQuotaExceededException: 400,
  InternalServerException: 500,
  ServiceUnavailableException: 503,
};

export function validation(message: string): BedrockError {
  return { code: 'ValidationException', message };
}
