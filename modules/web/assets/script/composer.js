// @ts-check
// The chat composer.
