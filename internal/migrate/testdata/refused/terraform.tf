variable "api_key" {
  default = "Etjqgg4phjFrIIhuDpkKIcGqx8mszJni"
}

resource "aws_ssm_parameter" "key" {
  value = var.api_key
}
