/** As recorded in the fixtures. */
export const UNAUTHENTICATED = {
  errors: [
    {
      message: 'Authentication required, not authenticated',
      extensions: {
        type: 'authentication error',
        code: 'AUTHENTICATION_ERROR',
        statusCode: 401,
        userError: true,
        userPresentableMessage: 'You need to authenticate to access this operation.',
      },
    },
  ],
};
/** The page says the code alone; the SDK reads the type alone. Here only what the page says, the harder one. */
export const RATELIMITED = {
  errors: [
    {
      message: 'Rate limit exceeded',
      extensions: {
        code: 'RATELIMITED',
        statusCode: 429,
        userError: true,
        userPresentableMessage: 'Rate limit exceeded.',
      },
    },
  ],
};
