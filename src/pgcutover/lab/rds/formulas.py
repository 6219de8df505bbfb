"""The formula language of RDS parameter groups: parsed and evaluated, nothing else.

    value    := integer | braces | FUNCTION '(' value { ',' value } ')'       FUNCTION: GREATEST, LEAST, SUM
    braces   := '{' factor { ('*' | '/') factor } '}'
    factor   := integer | variable | 'log' '(' factor { ('*' | '/') factor } ')'

Division truncates. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ParamValuesRef.html
"""

import math
import re
from collections.abc import Callable, Mapping

VARIABLES = frozenset({"DBInstanceClassMemory", "DBInstanceVCPU", "AllocatedStorage", "EndPointPort"})
FUNCTIONS: Mapping[str, Callable[[list[int]], int]] = {"GREATEST": max, "LEAST": min, "SUM": sum}
TOKEN = re.compile(r"\s*([A-Za-z]+|-?\d+|[{}()*/,])")


class FormulaError(ValueError):
    """Not a formula, or one with a variable that does not exist."""


def is_formula(text: str) -> bool:
    return "{" in text or "(" in text


def check(text: str) -> None:
    """Raises FormulaError unless `evaluate` would take it."""
    evaluate(text, dict.fromkeys(VARIABLES, 1))


def evaluate(text: str, variables: Mapping[str, int]) -> int:
    """The value of a formula.

    Raises:
        FormulaError: it is none.
    """
    reader = _Reader(text, variables)
    value = reader.value()
    reader.end()
    return value


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, int]) -> None:
        self._text = text
        self._variables = variables
        self._tokens = self._split(text)

    def _split(self, text: str) -> list[str]:
        tokens, at, stripped = [], 0, text.rstrip()
        while at < len(stripped):
            found = TOKEN.match(stripped, at)
            if found is None:
                raise FormulaError(f"not a formula: {text}")
            tokens.append(found[1])
            at = found.end()
        return tokens

    def value(self) -> int:
        token = self._next()
        if token == "{":
            product = self._product()
            self._expect("}")
            return product
        if token.upper() in FUNCTIONS:
            self._expect("(")
            values = [self.value()]
            while self._next_is(","):
                values.append(self.value())
            self._expect(")")
            return FUNCTIONS[token.upper()](values)
        return self._integer(token)

    def end(self) -> None:
        if self._tokens:
            raise FormulaError(f"not a formula: {self._text}")

    def _product(self) -> int:
        result = self._factor()
        while self._tokens and self._tokens[0] in "*/":
            operator = self._next()
            operand = self._factor()
            if operator == "/" and operand == 0:
                raise FormulaError(f"division by zero: {self._text}")
            result = result * operand if operator == "*" else result // operand
        return result

    def _factor(self) -> int:
        token = self._next()
        if token.lower() == "log":
            self._expect("(")
            inner = self._product()
            self._expect(")")
            return int(math.log2(inner)) if inner >= 1 else 0  # A13
        if token in VARIABLES:
            return self._variables[token]
        return self._integer(token)

    def _integer(self, token: str) -> int:
        try:
            return int(token)
        except ValueError:
            raise FormulaError(f"unknown name {token} in {self._text}") from None

    def _next(self) -> str:
        if not self._tokens:
            raise FormulaError(f"not a formula: {self._text}")
        return self._tokens.pop(0)

    def _next_is(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise FormulaError(f"not a formula: {self._text}")
