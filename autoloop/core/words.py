"""Text for people, in the languages a report is read in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Language = Literal["en", "zh"]


class Frozen(BaseModel):
    """A value: compared by content, never changed; refuses fields it does not know,
    and numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Words(Frozen):
    """One sentence in English and in Chinese."""

    en: str
    zh: str = ""

    def say(self, language: Language = "en") -> str:
        """The sentence in *language*; English where no translation was given."""
        return self.zh if language == "zh" and self.zh else self.en
