/**
 * A program that only imports this library.
 *
 * @module
 */
import "@vivarium/scout";
