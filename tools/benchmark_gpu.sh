#!/usr/bin/env bash
# Everything that mmciss has to show on a GPU, in one go: tests, iteration costs, mixed precision, torch.compile, and
# voc20 at full length. Writes FOLDER/README.md, which holds every command and what it printed, and goes on after failures.
# usage: tools/benchmark_gpu.sh FOLDER            MMCISS_VOC6 names the photographs, MMCISS_MBV2 the ImageNet weights
#        tools/benchmark_gpu.sh FOLDER --smoke    the same commands on sizes that a CPU does in minutes; measures nothing
#        tools/benchmark_gpu.sh FOLDER --list     only prints the commands
set -euo pipefail
MODE=${2:-}
if [ "$#" -lt 1 ] || [ "$#" -gt 2 ] || [[ $1 == --* ]] || [[ ! $MODE =~ ^(|--smoke|--list)$ ]]; then
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
fi
FOLDER=$(realpath -m "$1")
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
PYTHON=${PYTHON:-python}
DEEPLAB=configs/ciss/deeplabv3_r101_voc_15-1.py
METHODS=(finetuning lwf lwf_mc ilt mib awt plop sdr rcil dkd gsc ssul ewf star)
WHOLE=(joint finetuning lwf mib awt plop sdr rcil dkd gsc ssul ewf star anchor closed_form_fine)
failed=()

# Arguments: a title, then a command. Appends both and what the command prints to the page.
part() {
    local title=$1
    shift
    if [ "$MODE" = --list ]; then
        echo "${*@Q}"
        return
    fi
    echo "$title"
    { echo "## $title"; echo; echo '```'; echo "${*@Q}"; echo; } >>"$FOLDER/README.md"
    "$@" >"$FOLDER/part.txt" 2>"$FOLDER/errors.txt" || failed+=("$title")
    { cat "$FOLDER/part.txt"; echo '```'; echo; } >>"$FOLDER/README.md"
    if [[ " ${failed[*]-} " == *"$title "* ]]; then
        { echo '```'; tail -n 20 "$FOLDER/errors.txt"; echo '```'; echo; } >>"$FOLDER/README.md"
    fi
}

if [ "$MODE" != --list ]; then
    mkdir -p "$FOLDER"
    printf '# mmciss %s\n\n%s, commit %s\n\n' "${MODE:-on a GPU}" "$(date -I)" \
        "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" >"$FOLDER/README.md"
fi
if [ "$MODE" = --smoke ]; then
    TINY=(--config configs/shapes/shapes_smoke.py --batch 2 --crop 32 --rounds 1)
    part 'Tests' "$PYTHON" -m pytest -q tests/test_cuda.py
    part 'Iterations' "$PYTHON" benchmarks/iteration_cost.py "${TINY[@]}" --methods mib
    part 'Faster iterations' "$PYTHON" benchmarks/photograph_iteration.py "${TINY[@]}" --sides 'bfloat16, both'
    part 'Losses' "$PYTHON" benchmarks/losses.py --classes 9 --new 2 --size 32 --batch 1 --rounds 1
    part 'Photographs' "$PYTHON" tools/compare.py configs/shapes/shapes_smoke.py --methods mib --work-dir "$FOLDER/voc20"
else
    DEEP=(--config "$DEEPLAB" --crop 512)
    NO_WEIGHTS=(--cfg-options model.backbone.init_cfg=None)
    part 'Machine' "$PYTHON" -m mmciss doctor
    part 'Tests' "$PYTHON" -m pytest -q -m 'slow or not slow'
    part 'Iterations in float32' \
        "$PYTHON" benchmarks/iteration_cost.py "${DEEP[@]}" --batch 4 --methods "${METHODS[@]}" "${NO_WEIGHTS[@]}"
    part 'Iterations in bfloat16' \
        "$PYTHON" benchmarks/iteration_cost.py "${DEEP[@]}" --batch 8 --amp --methods "${METHODS[@]}" "${NO_WEIGHTS[@]}"
    part 'Faster iterations, ResNet-101' \
        "$PYTHON" benchmarks/photograph_iteration.py "${DEEP[@]}" --batch 4 --compile inductor \
        --sides float32 'float32, channels_last' bfloat16 'bfloat16, channels_last' 'bfloat16, both'
    part 'Faster iterations, MobileNetV2' "$PYTHON" benchmarks/photograph_iteration.py --compile inductor
    part 'Losses' "$PYTHON" benchmarks/losses.py --compile --dtype bfloat16
    part 'Photographs' \
        "$PYTHON" tools/compare.py configs/voc20/deeplabv3_mbv2_voc20_15-1.py --methods "${WHOLE[@]}" --seeds 0 1 2 \
        --work-dir "$FOLDER/voc20"
fi
if [ "$MODE" != --list ]; then
    rm -f "$FOLDER/part.txt" "$FOLDER/errors.txt"
    if [ "${#failed[@]}" -gt 0 ]; then
        echo "failed: ${failed[*]}" >&2
        exit 1
    fi
    echo "$FOLDER/README.md"
fi
