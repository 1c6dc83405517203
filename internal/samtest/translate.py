"""Translates SAM templates as AWS does, offline.

Standard input: a list of {"template": text, "parameters": {name: value}, "lint": bool, "awsOnly": bool}.
start-api cannot read a template that is awsOnly.
Standard output: for each one {"translated": the CloudFormation template, "local": what start-api reads,
"findings": of the linter}, or {"error": why not}.
"""

import copy
import functools
import json
import multiprocessing
import os
import sys

os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

import boto3
import yaml

yaml.SafeLoader = yaml.CSafeLoader  # which samcli uses: the same, but six times as fast

from cfnlint.api import ManualArgs, lint
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.provider import Stack
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

parse = functools.lru_cache(yaml_parse)


def translate(template, parameters):
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function" and "InlineCode" not in resource["Properties"]:
            # What `sam package` does with a folder.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name="us-east-1")
    return Translator({}, Parser(), boto_session=session).translate(template, parameters)


def local(template, parameters):
    routes = ApiProvider([Stack("", "", "template.yaml", parameters, template)]).routes
    return [
        {"method": m, "path": r.path, "function": r.function_name, "authorizer": r.authorizer_object and r.authorizer_object.lambda_name or ""}
        for r in routes
        for m in r.methods
        if m != "OPTIONS"
    ]


def answer(job):
    try:
        return {
            "translated": translate(copy.deepcopy(parse(job["template"])), dict(job["parameters"])),
            "local": [] if job.get("awsOnly") else local(copy.deepcopy(parse(job["template"])), dict(job["parameters"])),
            "findings": [str(m) for m in lint(job["template"], config=ManualArgs(regions=["us-east-1"]))] if job.get("lint") else [],
        }
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e} {getattr(e, 'causes', '')}"}


if __name__ == "__main__":
    with multiprocessing.Pool() as pool:
        json.dump(pool.map(answer, json.load(sys.stdin)), sys.stdout)
