/**
 * A program that does nothing, to which the starts of other programs are compared.
 *
 * @module
 */
