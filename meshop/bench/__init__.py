"""The benchmark: tasks x models x seeds under one training, beside models without a network."""

from ._bench import bench
from ._generate import along, in_polygon, triangulate
from ._meshes import triangle_mesh
from ._nulls import NULLS
from ._report import Row, Table, markdown, report
from ._run import Job, execute
from ._task import Split, Task, TaskDataMissing, all_tasks, data_root, find_tasks

__all__ = [
    "NULLS",
    "Job",
    "Row",
    "Split",
    "Table",
    "Task",
    "TaskDataMissing",
    "all_tasks",
    "along",
    "bench",
    "data_root",
    "execute",
    "find_tasks",
    "in_polygon",
    "markdown",
    "report",
    "triangle_mesh",
    "triangulate",
]
