"""The wrapper around a segmentor, its teacher and the slots of a method."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.export import plain_layers, plain_state_dict
from mmciss.models.classifiers.grow import build_grown_segmentor, growing_heads
from mmciss.models.decisions import auxiliary_appended
from mmciss.models.freezing import apply_modes, freeze
from mmciss.models.labelers.labeler import Batch, install_pixel_weights
from mmciss.models.losses.main_loss import MainLoss
from mmciss.models.outputs import (
    BatchOutputs,
    Readout,
    SegOutput,
    linear_classifier,
    loss_with_accuracy,
    main_head,
    run_segmentor,
)
from mmciss.models.previous import load_plain_checkpoint, load_previous_step
from mmciss.models.slot import Slot
from mmciss.models.slots import build_named, build_slot, check_needs
from mmciss.models.step_context import StepContext, StepState
from mmciss.models.taps import check_compiling
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.utils.patched import patched

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.models.decisions import Decision
    from mmciss.models.initializers.initializer import Initializer
    from mmciss.models.labelers.labeler import Labeler
    from mmciss.models.structures.structure import Structure


@MODELS.register_module()
class IncrementalSegmentor(BaseModel):
    """Trains an unmodified MMSegmentation segmentor at one step of a protocol.

    Args:
        segmentor: Config of the plain segmentor, with as many classes as the step knows, or what
            :func:`~mmciss.models.classifiers.grow.build_segmentor` made of it.
        step: The step, or a dictionary of its fields.
        losses: Extra losses by name; each adds ``loss_<name>`` to the log.
        shared: Objects, by name, that several slots use, see :class:`~mmciss.models.slot.SharedSlot`.
        labeler: Config of the labeler that completes the labels, or None.
        initializer: Config of the initializer of the new classes' rows, or None for random rows.
        freeze: Arguments of :func:`mmciss.models.freezing.freeze`, or None.
        classifier: Further arguments of the growable classifier, for example ``dict(auxiliary=1)``.
        structure: Config of the change that the method makes to the layers, see :mod:`mmciss.models.structures`, or
            None.
        decision: Config of the decision, see :mod:`mmciss.models.decisions`.
        previous: Paths ``model`` and ``state`` that the previous step left, or None.
        checkpoint: A plain MMSegmentation checkpoint that the base step starts from, or None.
        data_preprocessor: Config of the data preprocessor.
        channels_last: Whether images, and so the maps of convolutional networks, lie in memory channels last, which
            many CPUs and GPUs compute faster.
        accuracy_interval: Every how many iterations MMSegmentation's heads compute the accuracy of the batch, which is
            only logged.
        compiling: Arguments of ``torch.compile`` for the backbones of student and teacher, or None for none. Heads stay
            as they are, since every method reads their maps.
        context: The step's context, if a runner made one; takes precedence over ``step`` and ``previous``.

    Attributes:
        context: The step's context, which every slot gets.
    """

    def __init__(
        self,
        segmentor: dict[str, Any] | nn.Module,
        step: Step | dict[str, Any] | None = None,
        losses: dict[str, Any] | None = None,
        labeler: dict[str, Any] | None = None,
        initializer: dict[str, Any] | None = None,
        freeze: dict[str, Any] | None = None,
        classifier: dict[str, Any] | None = None,
        structure: dict[str, Any] | None = None,
        decision: dict[str, Any] | None = None,
        previous: dict[str, Any] | None = None,
        checkpoint: str | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        shared: dict[str, Any] | None = None,
        channels_last: bool = False,
        accuracy_interval: int = 1,
        compiling: dict[str, Any] | None = None,
        context: StepContext | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        if context is None:
            step = step if isinstance(step, Step) else Step.from_dict(step or {})
            context = StepContext(step, None if previous is None else StepState(**previous))
        self.context = context
        context.model = self
        self.classifier_options = dict(classifier or {})
        self.segmentor: BaseSegmentor = build_grown_segmentor(
            segmentor, self.step.sizes, self.classifier_options, self.step.num_future
        )
        self.structure: Structure | None = build_slot('structure', structure)
        if self.structure is not None:
            self.structure.install(self.segmentor, self.step)
        self.shared = build_named('shared', shared)
        self.losses = build_named('losses', losses)
        self.labeler: Labeler | None = build_slot('labeler', labeler)
        self.initializer: Initializer | None = build_slot('initializer', initializer)
        self.decision: Decision | None = build_slot('decision', decision)
        self.checkpoint = checkpoint
        self.channels_last = channels_last
        self.accuracy_interval = accuracy_interval
        self.compiling = compiling
        self._freeze = dict(freeze or {})
        self.layers: list[str] = []
        self.needs_teacher = False
        self._prepare_slots()
        if compiling is not None:
            check_compiling(self.layers)
            compile_backbone(self.segmentor, compiling)
        self.frozen = self._apply_freeze()
        self._pixel_weights = install_pixel_weights(growing_heads(self.segmentor).values()) if self.labeler else []
        self.set_teacher(None)

    @property
    def step(self) -> Step:
        """The step that the model learns."""
        return self.context.step

    @property
    def previous(self) -> StepState | None:
        """What the previous step left, or None."""
        return self.context.previous

    def slots(self) -> dict[str, Slot]:
        """Returns the method's slots by key, in the order in which they are called.

        An initializer comes before those that may read the new rows, so that these have their first values.
        """
        single = ('structure', 'initializer', 'labeler', 'decision')
        found = {name: getattr(self, name) for name in single if getattr(self, name) is not None}
        found.update({f'shared.{name}': slot for name, slot in self.shared.items()})
        found.update({f'losses.{name}': slot for name, slot in self.losses.items()})
        main = [module for module in self.segmentor.modules() if isinstance(module, MainLoss)]
        found.update({f'main_loss.{index}': loss for index, loss in enumerate(main)})
        return found

    def _prepare_slots(self) -> None:
        """Checks the needs of every slot, and collects the layers to tap and whether a teacher must run."""
        for key, slot in self.slots().items():
            slot.key = key
            slot.check_step(self.step)
            if key == 'initializer' and (self.step.is_base or not self.step.num_new):
                continue  # there are no new rows
            config_key = f'method.{key}' if not key.startswith('main_loss') else 'method.main_loss'
            check_needs(self.segmentor, slot, config_key, self.shared)
            if 'features' in slot.needs and key != 'decision':
                self.layers += [name for name in slot.layers if name not in self.layers]
            if 'teacher' in slot.needs:
                if self.step.is_base:
                    raise ConfigError(
                        f'{config_key} needs a teacher, which the base step does not have; set it in '
                        f'method, not in method.base'
                    )
                self.needs_teacher = True
            slot.prepare(self.context)

    def _apply_freeze(self) -> list[str]:
        # DistributedDataParallel registers only parameters that require gradients when it wraps the model.
        return freeze(self.segmentor, **self._freeze) if self._freeze else []

    @property
    def teacher(self) -> Teacher | None:
        """The model of the previous step, or None."""
        return self._teacher

    def set_teacher(self, teacher: Teacher | None) -> None:
        """Attaches the teacher, outside the tree of modules."""
        object.__setattr__(self, '_teacher', teacher)
        if teacher is not None and self.compiling is not None and teacher.segmentor is not self.segmentor:
            compile_backbone(teacher.segmentor, self.compiling)

    def init_weights(self) -> None:
        """Loads the weights that the step starts from; called by the runner after the passes over the data."""
        if self.previous is not None:
            load_previous_step(self.segmentor, self.previous)
        else:
            with plain_layers(self.segmentor):
                if self.structure is None:
                    self.segmentor.init_weights()
                else:
                    self.structure.initialise(self.segmentor, self.segmentor.init_weights)
            if self.checkpoint is not None:
                load_plain_checkpoint(self.segmentor, self.checkpoint, key='load_from')
        for slot in self.slots().values():
            slot.begin(self.context)

    def train(self, mode: bool = True) -> IncrementalSegmentor:
        """Sets the mode, then applies the norm and dropout policy of ``freeze`` again."""
        super().train(mode)
        if mode and getattr(self, '_freeze', None):
            apply_modes(self.segmentor, self._freeze.get('norm', 'train'), self._freeze.get('dropout', 'train'))
        return self

    def forward(self, inputs: Tensor, data_samples: list[Any] | None = None, mode: str = 'tensor') -> Any:
        """Same contract as :meth:`mmseg.models.segmentors.BaseSegmentor.forward`."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if mode == 'loss':
            return self.loss(inputs, data_samples or [])
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return run_segmentor(self.segmentor, inputs)

    def loss(self, inputs: Tensor, data_samples: list[Any]) -> dict[str, Tensor]:
        """Computes the main losses of the segmentor and the extra losses.

        Args:
            inputs: Images ``(N, 3, H, W)``.
            data_samples: MMSegmentation's samples with ``gt_sem_seg``.
        """
        teacher: SegOutput | None = None
        trunk: AbstractContextManager[None] = nullcontext()
        if self.needs_teacher:
            assert self.teacher is not None, 'TeacherHook attaches it'
            teacher, trunk = self.teacher(inputs, self.layers), self.teacher.student_pass()
        given = self._given_labels(data_samples)
        target, data_samples = self._labels(inputs, given, data_samples, teacher)
        tapped = Readout(self.segmentor, self.layers, losses_too=True)
        with trunk, tapped as readout, self._outputs_for_main_losses(readout, teacher):
            losses = loss_with_accuracy(self.segmentor, inputs, data_samples, self.accuracy_interval)
        if self.losses or self.shared:
            student = readout.output()
            for slot in self.context.shared.values():
                slot.update(student, teacher, target, self.context)
            for name, loss in self.losses.items():
                labels = given if loss.given_labels else target
                losses[f'loss_{name}'] = self._extra_loss(loss, student, teacher, labels)
        return losses

    def _extra_loss(self, loss: Any, student: SegOutput, teacher: SegOutput | None, target: Tensor | None) -> Tensor:
        value = loss(student, teacher, target, self.context)
        if student.refined is not None and set(loss.needs) <= {'logits', 'teacher'}:
            value = value + loss(student.refined, teacher and teacher.refined, target, self.context)
        return value

    @contextmanager
    def _outputs_for_main_losses(self, readout: Readout, teacher: SegOutput | None) -> Iterator[None]:
        """Gives main losses with ``needs`` the outputs of both models for this batch (main head only)."""
        losses = [loss for loss in main_head(self.segmentor)[1].modules() if isinstance(loss, MainLoss) and loss.needs]
        for loss in losses:
            loss.outputs = BatchOutputs(readout.output, teacher)
        try:
            yield
        finally:
            for loss in losses:
                loss.outputs = None

    def _given_labels(self, data_samples: list[Any]) -> Tensor | None:
        if self.labeler is None and not self.losses and not self.shared:
            return None
        return torch.stack([sample.gt_sem_seg.data for sample in data_samples]).squeeze(1)

    def _labels(
        self, inputs: Tensor, given: Tensor | None, data_samples: list[Any], teacher: Any
    ) -> tuple[Tensor | None, list[Any]]:
        if self.labeler is None or given is None:
            return given, data_samples
        labels = self.labeler(Batch(inputs, given, data_samples), teacher, self.context)
        for sampler in self._pixel_weights:
            sampler.weights = None if labels.weights is None else labels.weights.expand_as(labels.target)
        relabelled = []
        for sample, label in zip(data_samples, labels.target, strict=True):
            sample = copy.copy(sample)
            sample.gt_sem_seg = type(sample.gt_sem_seg)(data=label[None])
            relabelled.append(sample)
        return labels.target, relabelled

    def predict(self, inputs: Tensor, data_samples: list[Any] | None = None) -> list[Any]:
        """Predicts, with the method's own decision if it has one."""
        decision = self.decision
        if decision is None:
            return self.segmentor.predict(inputs, data_samples)
        postprocess = self.segmentor.postprocess_result
        classes = self.step.num_seen

        def decide(seg_logits: Tensor, samples: list[Any] | None = None) -> list[Any]:
            auxiliary = seg_logits[:, classes:] if seg_logits.shape[1] > classes else None
            return postprocess(decision(seg_logits[:, :classes], auxiliary), samples)

        more = auxiliary_appended(self.segmentor) if decision.needs_auxiliary else nullcontext()
        with more, patched(self.segmentor, 'postprocess_result', decide):
            return self.segmentor.predict(inputs, data_samples)

    def method_state(self) -> dict[str, dict[str, Any]]:
        """Returns what the next step needs in addition to the plain model.

        It holds the states of the slots, which :meth:`~mmciss.models.step_context.StepState.slot` reads, and, under
        ``'auxiliary'``, rows that the plain model lacks or that the decision changes there, and layers that the
        structure adds.
        """
        state: dict[str, dict[str, Any]] = {'losses': {}}
        for key, slot in self.slots().items():
            room, _, name = key.partition('.')
            prefix = f'{name}.' if name else ''
            if left := {f'{prefix}{item}': value for item, value in slot.state().items()}:
                state.setdefault(room, {}).update(left)
        kept = ['.auxiliary.', '.future.']
        if self.decision is not None and self.decision.replaces_rows:
            name, classifier = linear_classifier(self.segmentor)
            kept.append(f'{name}.{classifier.background_prefix}')
        if self.structure is not None:
            kept += self.structure.kept
        state['auxiliary'] = {
            name: tensor for name, tensor in self.segmentor.state_dict().items() if any(part in name for part in kept)
        }
        return state

    def network_weights(self) -> dict[str, Tensor]:
        """Returns the weights under plain names, without the structure's layers and before the decision's changes."""
        weights = plain_state_dict(self.segmentor)
        if self.structure is not None:
            self.structure.export(self.segmentor, weights)
        return weights

    def plain_weights(self) -> dict[str, Tensor]:
        """Returns the weights with which plain MMSegmentation makes, or approximates, the method's decision."""
        weights = self.network_weights()
        if self.decision is not None and 'classifier' in self.decision.needs:
            name, classifier = linear_classifier(self.segmentor)
            prefix = f'{name}.' if classifier.linear else f'{name}.{classifier.background_prefix}'
            rows = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
            self.decision.export(rows, classifier.auxiliary)
            weights.update({f'{prefix}{key}': tensor for key, tensor in rows.items()})
        return weights


def compile_backbone(segmentor: Any, options: dict[str, Any]) -> None:
    """Compiles a segmentor's backbone; names of weights, and copies of the model, stay as they are."""
    segmentor.backbone.compile(**options)
