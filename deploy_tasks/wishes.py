"""What a person wishes of a host run that is under way, as it stands in ``HostRun.wish``."""

from enum import StrEnum


class Wish(StrEnum):
    """``force`` ends also a step that must not be interrupted."""

    NONE = ""
    #: Between two steps; a person's later word takes it back.
    PAUSE = "pause"
    #: Of a host that has not gone down: it is taken back, and counts as skipped.
    LEAVE_OUT = "leave_out"
    CANCEL = "cancel"
    CANCEL_AND_UNDO = "cancel_undo"
    FORCE = "force"
    FORCE_AND_UNDO = "force_undo"

    @property
    def cancels(self) -> bool:
        return self not in (Wish.NONE, Wish.PAUSE)

    @property
    def forces(self) -> bool:
        return self in (Wish.FORCE, Wish.FORCE_AND_UNDO)

    @property
    def without_force(self) -> "Wish":
        return Wish.to_cancel(undo=self.undoes, force=False) if self.forces else self

    @property
    def undoes(self) -> bool:
        return self in (Wish.LEAVE_OUT, Wish.CANCEL_AND_UNDO, Wish.FORCE_AND_UNDO)

    @classmethod
    def to_cancel(cls, *, undo: bool, force: bool) -> "Wish":
        if force:
            return cls.FORCE_AND_UNDO if undo else cls.FORCE
        return cls.CANCEL_AND_UNDO if undo else cls.CANCEL
